// Package crd tests the CustomResourceDefinitions of Backend and
// BackendConfigPolicy in a real API server: that it takes them, that they
// admit what they should and refuse the rest with a sentence that helps, that
// the Go types hold all of it, what kubectl get prints, that the manifests of
// the guide are admitted as they are, and that the objects of templates can be
// applied and give the controller its rights and no more.
package crd
