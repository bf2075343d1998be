// Package deploy gives each Gateway its Envoy: a Deployment, a Service, a
// ServiceAccount, a PodDisruptionBudget, a ConfigMap with the bootstrap and a
// Secret with the xDS client certificate, in the Gateway's namespace.
//
// In come the deployments of a translation (Specs adds the parameters to them);
// out go, by Objects, the objects that are wanted: a function of its arguments.
// A Writer keeps the cluster as Objects has it: it applies what differs, brings
// back what others change or delete, renews certificates, deletes what is no
// longer wanted, and never touches an object that is not the Gateway's.
package deploy
