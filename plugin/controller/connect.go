package controller

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// On a node that has just started, pods run before kube-proxy has made the API
// server's Service reachable. To end then would cost a pod the kubelet's
// back-off; the probe for its start allows a minute.
const (
	patience = 50 * time.Second
	askEvery = 250 * time.Millisecond
)

// connect calls open until the API server can be reached, or until most has
// passed. Other errors end it at once.
func connect(ctx context.Context, log logr.Logger, most time.Duration, open func() (*kube.Clients, error)) (*kube.Clients, error) {
	var clients *kube.Clients
	var last error
	err := wait.PollUntilContextTimeout(ctx, askEvery, most, true, func(context.Context) (bool, error) {
		var err error
		clients, err = open()
		if err == nil || fail.Code(err) != fail.CodeUnreachable {
			return true, err
		}
		if last == nil || last.Error() != err.Error() {
			log.Info("waiting for the API server", "reason", err.Error())
		}
		last = err
		return false, nil
	})
	if wait.Interrupted(err) && last != nil {
		return nil, last
	}
	return clients, err
}
