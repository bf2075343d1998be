package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/cluster"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/engine"
)

const (
	// kindRounds is how often a kind cluster is made, of each sort in turn, so
	// that a machine that gets slower is slower for both.
	kindRounds = 3
	kindName   = "tlsgw-bench"
	// idle is how long a controller is left alone before its memory is read.
	idle = 30 * time.Second
)

// kind compares dev-up on kind with what a plain kind cluster takes.
func (b *bench) kind(ctx context.Context) error {
	found, err := engine.Find(ctx)
	if err != nil {
		return err
	}
	var plain, ours []time.Duration
	for round := range kindRounds {
		// First, because it finds a node image that Podman has under another name.
		took, err := b.devUpKind(ctx, found, round == kindRounds-1)
		if err != nil {
			return err
		}
		ours = append(ours, took)
		if took, err = b.plainKind(ctx, found); err != nil {
			return err
		}
		plain = append(plain, took)
	}
	p, o := quantile(plain, 0.5), quantile(ours, 0.5)
	b.result(fmt.Sprintf("`kind create cluster`, node image present (median of %d)", kindRounds), "%s", seconds(p))
	b.result(fmt.Sprintf("`dev-up --driver kind` (median of %d)", kindRounds), "%s (%+.1f s, x %.2f)", seconds(o), (o - p).Seconds(), o.Seconds()/p.Seconds())
	return nil
}

// plainKind makes a cluster as `kind create cluster` does, which ends when the
// control plane answers, and removes it.
func (b *bench) plainKind(ctx context.Context, with engine.Engine) (took time.Duration, err error) {
	provider := with.Provider()
	kubeconfig := filepath.Join(b.dir, "kind-plain")
	began := time.Now()
	err = provider.Create(kindName, cluster.CreateWithNodeImage(b.nodeImage), cluster.CreateWithKubeconfigPath(kubeconfig))
	took = time.Since(began)
	err = errors.Join(err, provider.Delete(kindName, kubeconfig))
	if err != nil {
		return 0, fmt.Errorf("plain kind cluster: %w", err)
	}
	return took, ctx.Err()
}

// devUpKind makes a cluster with dev-up and removes it.
func (b *bench) devUpKind(ctx context.Context, with engine.Engine, weigh bool) (took time.Duration, err error) {
	env, err := with.Env()
	if err != nil {
		return 0, err
	}
	kubeconfig := filepath.Join(b.dir, "kind-dev")
	run := func(ctx context.Context, args ...string) error {
		command := exec.CommandContext(ctx, b.binary, args...) // #nosec G204 -- the binary that is measured
		command.Env = append(append(os.Environ(), env...), "KUBECONFIG="+kubeconfig, "XDG_STATE_HOME="+b.dir)
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", args, err, out)
		}
		return nil
	}
	defer func() {
		err = errors.Join(err, run(context.WithoutCancel(ctx), "dev-down", "--driver", "kind", "--name", kindName))
	}()
	began := time.Now()
	if err := run(ctx, "dev-up", "--driver", "kind", "--name", kindName, "--http-port", "18088"); err != nil {
		return 0, err
	}
	took = time.Since(began)
	if weigh {
		err = b.weighControllers(ctx, kubeconfig)
	}
	return took, err
}

// weighControllers reads the memory of the idle controllers from their own
// metrics.
func (b *bench) weighControllers(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(idle):
	}
	pods, err := clients.CoreV1().Pods(contract.SystemNamespace).List(ctx, metav1.ListOptions{
		LabelSelector: contract.LabelName + "=" + contract.ControllerDeployment,
	})
	if err != nil {
		return fmt.Errorf("list controllers: %w", err)
	}
	most := 0.0
	for _, pod := range pods.Items {
		metrics, err := clients.CoreV1().Pods(pod.Namespace).ProxyGet("http", pod.Name, strconv.Itoa(contract.ControllerHTTPPort), "/metrics", nil).DoRaw(ctx)
		if err != nil {
			return fmt.Errorf("read metrics of %s: %w", pod.Name, err)
		}
		found := regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`).FindSubmatch(metrics)
		if found == nil {
			return fmt.Errorf("metrics of %s do not say how much memory it takes", pod.Name)
		}
		resident, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			return fmt.Errorf("metrics of %s: %w", pod.Name, err)
		}
		most = max(most, resident)
	}
	b.result(fmt.Sprintf("resident memory of a controller in the cluster, idle (the larger of %d)", len(pods.Items)), "%.0f MB", most/1e6)
	return nil
}
