package replica

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Report is what the proxies of one replica have answered. Gateways without
// proxies are left out.
type Report struct {
	Gateways []Gateway `json:"gateways,omitempty"`
}

// Gateway is what the proxies of one Gateway have answered.
type Gateway struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// UID is that of the object, so that an answer for one that was deleted
	// does not count for another of its name.
	UID string `json:"uid"`
	// Generation is that of the configuration which the proxies are given.
	Generation int64 `json:"generation"`
	// Connected counts the proxies.
	Connected int `json:"connected"`
	// Answered: all of them have answered the configuration of the generation.
	Answered bool `json:"answered,omitempty"`
	// ListenerSets are those of the configuration; SetsAnswered: all proxies
	// have answered it.
	ListenerSets string `json:"listenerSets,omitempty"`
	SetsAnswered bool   `json:"setsAnswered,omitempty"`
	// Rejections are what they reject.
	Rejections []Rejection `json:"rejections,omitempty"`
}

// Rejection is what xds.Rejection is.
type Rejection struct {
	TypeURL   string   `json:"type,omitempty"`
	Resources []string `json:"resources,omitempty"`
	Message   string   `json:"message"`
}

// Key is the name of the Gateway.
func (g Gateway) Key() ir.Name { return ir.Name{Namespace: g.Namespace, Name: g.Name} }

const (
	// maxBytes leaves room for the rest of an object, which the API server
	// bounds to 1 MiB.
	maxBytes = 900 << 10
	cut      = "... (cut)"
)

// room is how much a report says of each Gateway.
type room struct{ rejections, resources, message int }

// rooms are tried one after the other until the report fits. The status of an
// object quotes 1024 bytes.
func rooms() []room { return []room{{64, 64, 1024}, {16, 16, 256}, {2, 8, 128}, {0, 0, 0}} }

// encode makes at most maxBytes of a report. What has no room is cut, and the
// report says so: texts first, then rejections, and in the end Gateways. The
// same report gives the same text.
func (r Report) encode() (string, error) {
	r.Gateways = slices.Clone(r.Gateways)
	slices.SortFunc(r.Gateways, func(a, b Gateway) int { return a.Key().Compare(b.Key()) })
	var encoded []byte
	for _, space := range rooms() {
		fitted := Report{}
		for _, g := range r.Gateways {
			g.Rejections = space.fit(g.Rejections)
			fitted.Gateways = append(fitted.Gateways, g)
		}
		var err error
		if encoded, err = json.Marshal(fitted); err != nil {
			return "", fmt.Errorf("encode the report of this replica: %w", err)
		}
		if len(encoded) <= maxBytes {
			return string(encoded), nil
		}
	}
	return "", fmt.Errorf("the report of this replica on %d Gateways has %d bytes, which is more than an object can have (%d)",
		len(r.Gateways), len(encoded), maxBytes)
}

// fit cuts rejections to the room that there is.
func (s room) fit(all []Rejection) []Rejection {
	var fitted []Rejection
	for _, r := range all[:min(len(all), s.rejections)] {
		r.Message = shortened(r.Message, s.message)
		r.Resources = r.Resources[:min(len(r.Resources), s.resources)]
		fitted = append(fitted, r)
	}
	if left := len(all) - len(fitted); left > 0 {
		fitted = append(fitted, Rejection{
			TypeURL: all[len(fitted)].TypeURL,
			Message: fmt.Sprintf("%d more rejections, of which the log of the controller tells", left),
		})
	}
	return fitted
}

func shortened(message string, most int) string {
	message = strings.ToValidUTF8(message, "?")
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most-len(cut)], "") + cut
}

// decode is the opposite of encode.
func decode(text string) (Report, error) {
	r := Report{}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return Report{}, err
	}
	return r, nil
}

// Compare orders by type, resources and message.
func (r Rejection) Compare(o Rejection) int {
	return cmp.Or(cmp.Compare(r.TypeURL, o.TypeURL), slices.Compare(r.Resources, o.Resources), cmp.Compare(r.Message, o.Message))
}
