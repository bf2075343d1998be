package local

import (
	"context"
	"fmt"
	"strconv"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"

	"k8s.io/client-go/discovery"
)

func (u *up) apiserver() part {
	own, etcd := u.dir.pair(apiserverCert), u.dir.pair(etcdClientCert)
	signing := u.dir.pair(tokenKey).key
	return part{
		name:  "kube-apiserver",
		title: "kube-apiserver",
		argv: []string{
			u.kube.APIServer,
			"--bind-address=" + port.Loopback,
			"--external-hostname=" + port.Loopback,
			"--secure-port=" + strconv.Itoa(u.Ports.APIServer),
			"--tls-cert-file=" + own.certificate, "--tls-private-key-file=" + own.key,
			"--client-ca-file=" + u.dir.pair(clusterCA).certificate,
			"--etcd-servers=https://" + port.Address(u.Ports.Etcd),
			"--etcd-cafile=" + u.dir.pair(etcdCA).certificate,
			"--etcd-certfile=" + etcd.certificate, "--etcd-keyfile=" + etcd.key,
			"--authorization-mode=RBAC",
			"--anonymous-auth=false",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + u.dir.path("pki", tokenKey+".pub"),
			"--service-account-signing-key-file=" + signing,
			"--service-cluster-ip-range=" + serviceCIDR,
			// Without a controller manager no account ever gets its default.
			"--disable-admission-plugins=ServiceAccount",
			// An endpoint of svc/kubernetes on loopback would be refused.
			"--endpoint-reconciler-type=none",
			"--profiling=false",
			// Three clients need no queues.
			"--enable-priority-and-fairness=false",
		},
		inputs: []string{own.certificate, etcd.certificate, u.dir.pair(clusterCA).certificate},
		ports:  []port.Use{{Number: u.Ports.APIServer}},
		check:  u.checkServing,
	}
}

// checkServing asks whether the API server, and etcd behind it, take requests
// of an administrator. The roles of everybody else take it another second.
func (u *up) checkServing(ctx context.Context) error {
	return u.askReady(ctx,
		"poststarthook/rbac/bootstrap-roles",
		"poststarthook/scheduling/bootstrap-system-priority-classes")
}

// checkAPIServer asks whether it is all there.
func (u *up) checkAPIServer(ctx context.Context) error { return u.askReady(ctx) }

func (u *up) askReady(ctx context.Context, except ...string) error {
	request := u.discovery.RESTClient().Get().AbsPath("/readyz")
	for _, check := range except {
		request = request.Param("exclude", check)
	}
	// Polled often, it must not wait a second as "Retry-After: 1" asks.
	body, err := request.MaxRetries(0).DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("ask /readyz: %w: %.300s", err, body)
	}
	return nil
}

// apiVersion is the version of the API server that runs, such as v1.34.4.
func apiVersion(client discovery.DiscoveryInterface) (string, error) {
	info, err := client.ServerVersion()
	if err != nil {
		return "", fmt.Errorf("ask for the version: %w", err)
	}
	return info.GitVersion, nil
}
