package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/apiservertest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const (
	patient = 15 * time.Second
	user    = "authority"
)

// TestWithAPIServer runs replicas against a real API server. Its parts share
// it, one after the other.
func TestWithAPIServer(t *testing.T) {
	s := startServer(t)
	t.Run("two replicas create and rotate it at the same time", s.testRace)
	t.Run("somebody deletes it", s.testDelete)
	t.Run("somebody else writes it", s.testForeign)
	t.Run("proxies across a rotation", s.testRotation)
	t.Run("proxies after it was deleted", s.testReplaced)
}

// server is an API server, with an account that may do what Options.Config
// says and nothing else.
type server struct {
	client.Client
	account *rest.Config
}

func startServer(t *testing.T) *server {
	t.Helper()
	environment := &envtest.Environment{}
	admin := apiservertest.Start(t, environment)
	s := &server{account: apiservertest.User(t, environment, user)}
	var err error
	if s.Client, err = client.New(admin, client.Options{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// namespace makes one in which the account has its rights.
func (s *server) namespace(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "identity-"}}
	if err := s.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Namespace: namespace.Name, Name: user}
	for _, object := range []client.Object{
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}},
			{
				APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list", "watch", "update"},
				ResourceNames: []string{contract.XDSAuthoritySecret},
			},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		},
	} {
		if err := s.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	return namespace.Name
}

func (s *server) secret(t *testing.T, namespace string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	if err := s.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: contract.XDSAuthoritySecret}, secret); err != nil {
		t.Fatal(err)
	}
	return secret
}

// authorities counts the CAs in the Secret.
func (s *server) authorities(t *testing.T, namespace string) int {
	t.Helper()
	r, err := decode(s.secret(t, namespace).Data)
	if err != nil {
		t.Fatal(err)
	}
	return len(r)
}

func (s *server) deleteSecret(t *testing.T, namespace string) {
	t.Helper()
	if err := s.Delete(t.Context(), s.secret(t, namespace)); err != nil {
		t.Fatal(err)
	}
}

// replica runs an Authority; leads: as the leader.
func (s *server) replica(t *testing.T, namespace string, clock *testclock.FakeClock, leads bool) *Authority {
	t.Helper()
	a, err := New(Options{Config: s.account, Namespace: namespace, Clock: clock, Rand: rand.Reader, Log: testr.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	if leads {
		running.Go(func() { a.Lead(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return a
}

// jump sets the clock of replicas and has them look at it. A timer that is
// made just then would wait for another hour.
func jump(clock *testclock.FakeClock, to time.Time, replicas ...*Authority) {
	clock.SetTime(to)
	for _, a := range replicas {
		signal(a.moved)
		signal(a.work)
	}
}

func waitReady(t *testing.T, replicas ...*Authority) {
	t.Helper()
	for _, a := range replicas {
		envoytest.Eventually(t, patient, a.Ready)
	}
}

// agree waits until all replicas have so many CAs in the same bundle.
func agree(t *testing.T, count int, replicas ...*Authority) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		for i, a := range replicas {
			if got := bytes.Count(a.Bundle(), []byte("BEGIN")); got != count {
				return fmt.Errorf("replica %d has %d CAs in its bundle, want %d", i, got, count)
			}
			if !bytes.Equal(a.Bundle(), replicas[0].Bundle()) || a.look().signer.id != replicas[0].look().signer.id {
				return fmt.Errorf("replica %d does not agree with the first", i)
			}
		}
		return nil
	})
}

func (s *server) testRace(t *testing.T) {
	for range 4 {
		namespace, clock := s.namespace(t), testclock.NewFakeClock(noon())
		replicas := []*Authority{
			s.replica(t, namespace, clock, true), s.replica(t, namespace, clock, true), s.replica(t, namespace, clock, false),
		}
		waitReady(t, replicas...)
		agree(t, 1, replicas...)
		secret := s.secret(t, namespace)
		if secret.Type != corev1.SecretTypeOpaque || secret.Labels[contract.LabelManagedBy] != contract.FieldManager {
			t.Errorf("the Secret is of type %s, labels %v", secret.Type, secret.Labels)
		}
		jump(clock, noon().Add(250*day), replicas...)
		agree(t, 2, replicas...)
		if got := s.authorities(t, namespace); got != 2 {
			t.Errorf("two leaders have made %d CAs", got)
		}
		jump(clock, noon().Add(366*day), replicas...)
		agree(t, 1, replicas...)
		envoytest.Eventually(t, patient, func() error {
			if got := s.authorities(t, namespace); got != 1 {
				return fmt.Errorf("%d CAs, one of which has expired", got)
			}
			return nil
		})
	}
}

func (s *server) testDelete(t *testing.T) {
	namespace, clock := s.namespace(t), testclock.NewFakeClock(noon())
	leader, follower := s.replica(t, namespace, clock, true), s.replica(t, namespace, clock, false)
	waitReady(t, leader, follower)
	certificate, key, _, err := leader.Issue("infra", "http")
	if err != nil {
		t.Fatal(err)
	}
	<-leader.Changed()
	s.deleteSecret(t, namespace)
	agree(t, 2, leader, follower)
	select {
	case <-leader.Changed():
	case <-time.After(patient):
		t.Error("the consumer was not told")
	}
	if err := leader.Keep("infra", "http", certificate, key); err == nil || !strings.Contains(err.Error(), "no longer in use") {
		t.Errorf("the old certificate may stay: %v", err)
	}
	if certificate, key, _, err = leader.Issue("infra", "http"); err != nil {
		t.Fatal(err)
	}
	if err := leader.Keep("infra", "http", certificate, key); err != nil {
		t.Errorf("the new certificate may not stay: %v", err)
	}
	if got := s.authorities(t, namespace); got != 1 {
		t.Errorf("%d CAs in the new Secret, want none of the old one", got)
	}
}

func (s *server) testForeign(t *testing.T) {
	namespace, clock := s.namespace(t), testclock.NewFakeClock(noon())
	leader := s.replica(t, namespace, clock, true)
	waitReady(t, leader)
	bundle := leader.Bundle()
	foreign := s.secret(t, namespace)
	foreign.Data = map[string][]byte{"tls.crt": []byte("a"), "tls.key": []byte("b")}
	if err := s.Update(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	late := s.replica(t, namespace, clock, true)
	envoytest.Eventually(t, patient, func() error {
		err := late.Ready()
		if err == nil || !strings.Contains(err.Error(), "kubectl delete secret --namespace "+namespace+" "+contract.XDSAuthoritySecret) {
			return fmt.Errorf("a new replica says: %w", err)
		}
		leader.mu.Lock()
		defer leader.mu.Unlock()
		if leader.held.bad == nil {
			return errors.New("the leader has not seen the foreign Secret")
		}
		return nil
	})
	if err := leader.Ready(); err != nil || !bytes.Equal(leader.Bundle(), bundle) {
		t.Errorf("what was good is not in use: %v", err)
	}
	jump(clock, noon().Add(250*day), leader, late)
	if _, ours := s.secret(t, namespace).Data["tls.crt"]; !ours {
		t.Error("the foreign Secret was overwritten")
	}
	s.deleteSecret(t, namespace)
	waitReady(t, late)
	if got := s.authorities(t, namespace); got != 1 {
		t.Errorf("%d CAs", got)
	}
}
