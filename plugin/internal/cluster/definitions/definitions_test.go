package definitions_test

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/definitions"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

var cluster *kubetest.Cluster

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	kubetest.Main(m, false, &cluster)
}

func ensure(t *testing.T, clients *kube.Clients, change ...func(*apiextensionsv1.CustomResourceDefinition)) bool {
	t.Helper()
	wanted, err := templates.KgatewayCRDs()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range change {
		one(wanted[0])
	}
	changed, err := definitions.Ensure(t.Context(), clients, wanted)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// Definitions are written when they are others than they should be, whoever has
// changed them, and never else.
func TestEnsure(t *testing.T) {
	clients, err := kube.NewForConfig(cluster.Config, "")
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := templates.KgatewayCRDs()
	if err != nil {
		t.Fatal(err)
	}
	there := func(change func(*apiextensionsv1.CustomResourceDefinition)) *apiextensionsv1.CustomResourceDefinition {
		t.Helper()
		definition := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: wanted[0].Name}}
		if err := clients.Client.Get(t.Context(), client.ObjectKeyFromObject(definition), definition); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(definition)
			if err := clients.Client.Update(t.Context(), definition, client.FieldOwner("somebody")); err != nil {
				t.Fatal(err)
			}
		}
		return definition
	}
	if !ensure(t, clients) || ensure(t, clients) {
		t.Fatal("they are not written once")
	}
	short := there(nil).Spec.Names.ShortNames
	for name, change := range map[string]func(*apiextensionsv1.CustomResourceDefinition){
		"a change":     func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Names.ShortNames = []string{"mine"} },
		"a removal":    func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Versions[0].AdditionalPrinterColumns = nil },
		"an older one": func(d *apiextensionsv1.CustomResourceDefinition) { d.Annotations = nil },
	} {
		there(change)
		if !ensure(t, clients) || ensure(t, clients) {
			t.Errorf("%s: it is not healed once", name)
		}
		healed := there(nil)
		if len(healed.Spec.Names.ShortNames) != len(short) || len(healed.Spec.Versions[0].AdditionalPrinterColumns) != len(wanted[0].Spec.Versions[0].AdditionalPrinterColumns) {
			t.Errorf("%s is still there: %+v", name, healed.Spec.Names)
		}
	}
	newer := func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Names.ShortNames = []string{"newer"} }
	if !ensure(t, clients, newer) || ensure(t, clients, newer) {
		t.Error("a newer one is not written once")
	}
}
