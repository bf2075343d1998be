package identity

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

const (
	// A write that fails is tried again after a pause that doubles.
	retryFirst, retryMost = time.Second, time.Minute
	writeTimeout          = 30 * time.Second
)

// Lead makes the CA when there is none and rotates it, until ctx ends. Only
// the replica that leads calls it, and Run must be running. Two that call it
// at the same time do no harm: the API server takes the first write, and the
// other reads what that one wrote.
func (a *Authority) Lead(ctx context.Context) {
	var failures int
	for {
		wait, err := a.lead(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = min(retryFirst<<min(failures, 10), retryMost)
			failures++
			a.options.Log.Error(err, "could not write the CA of xDS, trying again", "after", wait.String())
		default:
			failures = 0
		}
		timer := a.options.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-a.work:
		case <-timer.C():
		}
		timer.Stop()
	}
}

// lead writes the Secret if it is not as it must be, and says when to look
// again. What it has written it sees by the watch.
func (a *Authority) lead(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	a.mu.Lock()
	h := a.held
	a.mu.Unlock()
	switch {
	case !h.synced, h.bad != nil:
		// Wait for the Secret, or for a person.
		return glance, nil
	case h.secret == nil:
		return glance, a.create(ctx)
	}
	return a.rotate(ctx, h)
}

func (a *Authority) create(ctx context.Context) error {
	first, err := a.authority()
	if err != nil {
		return err
	}
	secret, err := secretOf(a.options.Namespace, ring{first})
	if err != nil {
		return err
	}
	err = a.client.Create(ctx, secret)
	switch {
	case apierrors.IsAlreadyExists(err):
		return nil
	case err != nil:
		return fmt.Errorf("create %s: %w", a.name(), err)
	}
	a.options.Log.Info("made a CA for xDS", "object", a.name(), "until", first.ends())
	return nil
}

// rotate writes what is to come after the CAs of the Secret.
func (a *Authority) rotate(ctx context.Context, h held) (time.Duration, error) {
	wanted, err := a.after(h.ring)
	if err != nil || wanted.equal(h.ring) {
		return glance, err
	}
	return glance, a.update(ctx, h.secret, wanted)
}

// after is r with the next CA when that is due, and without those that have
// expired.
func (a *Authority) after(r ring) (ring, error) {
	now := a.options.Clock.Now()
	r = r.unexpired(now)
	if len(r) > 0 && now.Before(r.due()) {
		return r, nil
	}
	next, err := a.authority()
	if err != nil {
		return nil, err
	}
	return newRing(append(r, next)...), nil
}

func (a *Authority) update(ctx context.Context, old *corev1.Secret, wanted ring) error {
	data, err := encode(wanted)
	if err != nil {
		return err
	}
	secret := old.DeepCopy()
	secret.Data = data
	// With its resource version: what another has written is not overwritten.
	err = a.client.Update(ctx, secret)
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		// The watch brings what has happened.
		return nil
	case err != nil:
		return fmt.Errorf("update %s: %w", a.name(), err)
	}
	a.options.Log.Info("rotated the CA of xDS", "object", a.name(), "authorities", len(wanted))
	return nil
}

// authority makes a CA.
func (a *Authority) authority() (authority, error) {
	now := a.options.Clock.Now()
	pair, err := a.maker.CA(pki.Spec{
		// Verifiers find an issuer by its name first.
		CommonName: "tlsgw xDS " + now.UTC().Format(time.RFC3339),
		NotBefore:  now.Add(-backdate),
		NotAfter:   now.Add(authorityLife),
	})
	if err != nil {
		return authority{}, err
	}
	return newAuthority(pair), nil
}
