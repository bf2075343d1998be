package deploy

import (
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
)

// covers tells whether live has everything that desired has. What else live
// has are defaults of the API server, or belongs to others: they may add
// labels, ports or containers of their own, but not change ours.
func covers(live, desired any) bool {
	switch d := desired.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return live == nil && len(d) == 0
		}
		for key, value := range d {
			if whole(key) && !equality.Semantic.DeepEqual(l[key], value) || !covers(l[key], value) {
				return false
			}
		}
		return true
	case []any:
		l, ok := live.([]any)
		if !ok {
			return live == nil && len(d) == 0
		}
		return coversList(l, d)
	}
	return reflect.DeepEqual(live, desired)
}

// whole are the fields to which nobody else can add: they have one owner.
func whole(field string) bool {
	return slices.Contains([]string{"selector", "labelSelector", "nodeSelector"}, field)
}

// coversList compares lists by the keys that their items have in the API, and
// others item by item.
func coversList(live, desired []any) bool {
	key := keyOf(desired)
	if key == "" && len(live) != len(desired) {
		return false
	}
	for i, d := range desired {
		if key == "" {
			if !covers(live[i], d) {
				return false
			}
			continue
		}
		value := member(d, key)
		j := slices.IndexFunc(live, func(l any) bool { return reflect.DeepEqual(member(l, key), value) })
		if j < 0 || !covers(live[j], d) {
			return false
		}
	}
	return true
}

// keyOf is what tells the items of a list apart; empty where nothing does.
func keyOf(items []any) string {
	for _, key := range []string{"uid", "mountPath", "name", "topologyKey"} {
		if len(items) > 0 && !slices.ContainsFunc(items, func(item any) bool { return member(item, key) == nil }) {
			return key
		}
	}
	return ""
}

func member(item any, key string) any {
	if m, ok := item.(map[string]any); ok {
		return m[key]
	}
	return nil
}
