package translate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// TestMemoChangesNothing translates every case, in a row, with and without a
// memo, and once more with what the memo has kept.
func TestMemoChangesNothing(t *testing.T) {
	t.Parallel()
	with := testOptions()
	with.Memo = &Memo{}
	for name, manifests := range cases(t) {
		s := newSnapshot(t, decodeAll(t, manifests))
		want := Translate(s, testOptions())
		for range 2 {
			if diff := cmp.Diff(want, Translate(s, with)); diff != "" {
				t.Errorf("%s: (-without +with a memo)\n%s", name, diff)
			}
		}
	}
}

// TestMemoForgets changes what is read, and when it is read.
func TestMemoForgets(t *testing.T) {
	t.Parallel()
	first, second := envoytest.NewCA(t, "first").PEM, envoytest.NewCA(t, "second").PEM
	memo, now := &Memo{}, time.Now()
	read := func(now time.Time, text string) ([]byte, []error) {
		s, err := snapshot.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		memo.begin()
		translation := newTranslation(s, Options{Memo: memo, Now: now})
		name := ir.Name{Namespace: "default", Name: "ca"}
		translation.objects.configMaps[name] = &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "ca"}, Data: map[string]string{"ca.crt": text},
		}
		secret, errs := translation.trustBundle("default", []source{{kind: kindConfigMap, name: name}})
		if secret == nil {
			return nil, errs
		}
		return secret.Certificates, errs
	}
	both := string(slices.Concat(first, second))
	before, _ := read(now, both)
	if again, _ := read(now, both); &again[0] != &before[0] {
		t.Error("the same bundle was made twice")
	}
	if got, _ := read(now, string(second)); string(got) != string(second) {
		t.Errorf("a changed bundle is still the former: %s", got)
	}
	if len(memo.current) != 2 {
		t.Errorf("%d things are remembered of one bundle, want 2", len(memo.current))
	}
	if _, errs := read(now.AddDate(2, 0, 0), both); len(errs) != 1 || !strings.Contains(errs[0].Error(), "expired") {
		t.Errorf("an expired bundle gives %v", errs)
	}
	// What expires is tried last, though the bytes are the same.
	old := envoytest.NewExpiredCA(t, "old").PEM
	mixed := string(slices.Concat(old, first))
	long := now.AddDate(-5, 0, 0)
	if got, _ := read(long, mixed); string(got) != mixed {
		t.Error("the one that was valid then is not the first")
	}
	if got, _ := read(now, mixed); string(got) != string(slices.Concat(first, old)) {
		t.Error("the one that is valid now is not the first")
	}
}
