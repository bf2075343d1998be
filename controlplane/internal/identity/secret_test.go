package identity

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	testclock "k8s.io/utils/clock/testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

func parse(tb testing.TB, content []byte) []*x509.Certificate {
	tb.Helper()
	var out []*x509.Certificate
	for {
		block, rest := pem.Decode(content)
		if block == nil {
			return out
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			tb.Fatal(err)
		}
		out, content = append(out, certificate), rest
	}
}

func pool(certificates ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, certificate := range certificates {
		p.AddCert(certificate)
	}
	return p
}

// contents are those of a Secret with two CAs.
func contents(tb testing.TB) (*Authority, map[string][]byte) {
	tb.Helper()
	clock := testclock.NewFakeClock(noon())
	a := offline(clock)
	r := a.grow(tb, nil)
	clock.Step(250 * day)
	r = a.grow(tb, r)
	data, err := encode(r)
	if err != nil {
		tb.Fatal(err)
	}
	return a, data
}

const first, second = "ca-20261123T120000Z", "ca-20270731T120000Z"

func TestDecode(t *testing.T) {
	t.Parallel()
	a, good := contents(t)
	r, err := decode(good)
	if err != nil || len(r) != 2 || !r[0].made().Equal(noon()) {
		t.Fatalf("%d CAs, %v", len(r), err)
	}
	leaf, err := a.maker.Leaf(r[1].Pair, pki.Spec{CommonName: "leaf"})
	if err != nil {
		t.Fatal(err)
	}
	leafKey, err := leaf.Key().PEM()
	if err != nil {
		t.Fatal(err)
	}
	below, err := a.maker.Intermediate(r[1].Pair, pki.Spec{CommonName: "below"})
	if err != nil {
		t.Fatal(err)
	}
	belowKey, err := below.Key().PEM()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change map[string][]byte
		want   string
	}{
		"foreign key":       {map[string][]byte{"password": []byte("hunter2")}, `key "password" is neither`},
		"certificate alone": {map[string][]byte{first + ".key": nil}, `"` + first + `.crt" has no`},
		"key alone":         {map[string][]byte{first + ".crt": nil}, `"` + first + `.key" has no`},
		"another's key":     {map[string][]byte{first + ".key": good[second+".key"]}, "does not match"},
		"no PEM":            {map[string][]byte{first + ".key": []byte("hunter2")}, "failed to find any PEM"},
		"no CA":             {map[string][]byte{first + ".crt": leaf.CertPEM(), first + ".key": leafKey}, "not that of a CA"},
		"an intermediate":   {map[string][]byte{first + ".crt": below.ChainPEM(), first + ".key": belowKey}, "has not signed itself"},
		"of kubernetes.io/tls": {map[string][]byte{
			first + ".crt": nil, first + ".key": nil, second + ".crt": nil, second + ".key": nil,
			"tls.crt": leaf.CertPEM(), "tls.key": leafKey,
		}, "not that of a CA"},
		"empty": {map[string][]byte{first + ".crt": nil, first + ".key": nil, second + ".crt": nil, second + ".key": nil}, "it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := maps.Clone(good)
			for key, value := range test.change {
				if data[key] = value; value == nil {
					delete(data, key)
				}
			}
			if _, err := decode(data); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestBadSecret holds that what was last good stays in use, and that the error
// says what to do.
func TestBadSecret(t *testing.T) {
	t.Parallel()
	a := offline(testclock.NewFakeClock(noon()))
	foreign := &corev1.Secret{Data: map[string][]byte{"tls.key": []byte("hunter2")}}
	a.observe(foreign)
	if err := a.Ready(); err == nil || !strings.Contains(err.Error(), "kubectl delete secret --namespace tlsgw-system tlsgw-xds-ca") {
		t.Errorf("Ready: %v", err)
	}
	if wait, err := a.lead(t.Context()); err != nil || wait != glance {
		t.Errorf("the leader does something: %v", err)
	}
	a.keep(t, a.grow(t, nil))
	want := string(a.Bundle())
	a.observe(foreign)
	if err := a.Ready(); err != nil || string(a.Bundle()) != want {
		t.Errorf("what was good is not in use: %v", err)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	clock := testclock.NewFakeClock(noon())
	a := create(Options{Clock: clock})
	for _, want := range []string{"not been read", "not there yet", "", "has expired"} {
		switch want {
		case "not there yet":
			a.synced()
		case "":
			a.keep(t, a.grow(t, nil))
		case "has expired":
			clock.Step(366 * day)
		}
		if err := a.Ready(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Ready: %v, want %q", err, want)
		}
	}
}

// FuzzDecode holds that no contents make decode panic, and that what it reads
// it writes the same.
func FuzzDecode(f *testing.F) {
	_, good := contents(f)
	f.Add(first+".crt", good[first+".crt"], first+".key", good[first+".key"])
	f.Add("a.crt", good[first+".crt"], "a.key", good[second+".key"])
	f.Add(".crt", []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), ".key", []byte{})
	f.Add("x", []byte{}, "y", []byte{0})
	f.Fuzz(func(t *testing.T, key1 string, value1 []byte, key2 string, value2 []byte) {
		r, err := decode(map[string][]byte{key1: value1, key2: value2})
		if err != nil {
			return
		}
		again, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := decode(again); err != nil || !read.equal(r) {
			t.Errorf("written and read again: %v", err)
		}
		_ = look(r, nil, noon()).differs(look(r, nil, noon().Add(time.Hour)))
	})
}
