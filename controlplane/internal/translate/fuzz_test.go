package translate

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FuzzTranslate damages the objects of testdata in ways that the fuzzer
// chooses, and lays text of the fuzzer into them. Whatever comes in, the
// translation must not panic, and what must hold of a result must hold.
func FuzzTranslate(f *testing.F) {
	var manifests [][][]byte
	for i, path := range casePaths(f) {
		manifests = append(manifests, loadCase(f, path))
		f.Add(uint16(i), []byte{}, "")
		d := dice(i)
		for _, text := range []string{"*.example.com", "-----BEGIN CERTIFICATE-----", "default", "..", "\x00%2f"} {
			damage := make([]byte, 40)
			for j := range damage {
				damage[j] = byte(d.roll(256))
			}
			f.Add(uint16(i), damage, text)
		}
	}
	f.Fuzz(func(t *testing.T, number uint16, damage []byte, text string) {
		documents := manifests[int(number)%len(manifests)]
		objects := damaged(documents, damage, text)
		s := newSnapshot(t, objects)
		checkInvariants(t, s, Translate(s, testOptions()))
	})
}

// maxDamage keeps single runs short, so that the fuzzer gets to many.
const maxDamage = 128

// damaged changes about one value for every two bytes of damage.
func damaged(documents [][]byte, damage []byte, text string) []client.Object {
	trees := make([]any, len(documents))
	for i, document := range documents {
		if json.Unmarshal(document, &trees[i]) != nil {
			return nil
		}
	}
	pool := append(stringsOf(trees, nil), text)
	for i := 0; i+1 < min(len(damage), maxDamage); i += 2 {
		seed := uint64(binary.LittleEndian.Uint16(damage[i:]))
		d := dice(seed)
		which := d.roll(len(trees))
		trees[which] = mutate(&d, trees[which], pool)
	}
	var objects []client.Object
	seen := map[string]bool{}
	for _, tree := range trees {
		document, err := json.Marshal(tree)
		if err != nil {
			continue
		}
		object, err := decodeObject(document, false)
		if err != nil {
			continue // The API server would not have taken it either.
		}
		key := object.GetObjectKind().GroupVersionKind().Kind + " " + client.ObjectKeyFromObject(object).String()
		if !seen[key] {
			seen[key] = true
			objects = append(objects, object)
		}
	}
	return objects
}

// stringsOf collects every text of the trees, to be put elsewhere.
func stringsOf(node any, into []string) []string {
	switch n := node.(type) {
	case string:
		return append(into, n)
	case []any:
		for _, value := range n {
			into = stringsOf(value, into)
		}
	case map[string]any:
		for _, key := range sortedKeys(n) {
			into = stringsOf(n[key], into)
		}
	}
	return into
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// mutate walks down to some value and changes, doubles or deletes it.
func mutate(d *dice, node any, pool []string) any {
	switch n := node.(type) {
	case map[string]any:
		keys := sortedKeys(n)
		if len(keys) == 0 {
			return node
		}
		key := keys[d.roll(len(keys))]
		if d.roll(8) == 0 {
			delete(n, key)
		} else {
			n[key] = mutate(d, n[key], pool)
		}
		return n
	case []any:
		if len(n) == 0 {
			return node
		}
		i := d.roll(len(n))
		switch d.roll(8) {
		case 0:
			return slices.Delete(n, i, i+1)
		case 1:
			return append(n, n[i])
		default:
			n[i] = mutate(d, n[i], pool)
			return n
		}
	case string:
		return pool[d.roll(len(pool))]
	case float64:
		return []float64{0, -1, 1, 80, 443, 65536, 1 << 30, n + 1}[d.roll(8)]
	case bool:
		return !n
	}
	return node
}
