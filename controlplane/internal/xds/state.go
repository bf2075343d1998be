package xds

import (
	"cmp"
	"slices"
)

// State is what the proxies of one Gateway have answered.
type State struct {
	// Connected counts the proxies with an open stream.
	Connected int
	// AckedRevision is the highest revision that every connected proxy has
	// answered in full: accepted, but for what Rejections name. It is zero
	// when no proxy is connected.
	AckedRevision uint64
	// Rejections are what proxies have rejected and still would, sorted. They
	// go when a later version is accepted or the resource is removed. While no
	// proxy is connected they are those of the last one.
	Rejections []Rejection
}

// Rejection is a NACK that still stands.
type Rejection struct {
	// TypeURL of the rejected resources.
	TypeURL string
	// Resources are the names that the rejection is about; empty where that
	// cannot be told.
	Resources []string
	// Message is Envoy's.
	Message string
}

func (r Rejection) compare(o Rejection) int {
	return cmp.Or(cmp.Compare(r.TypeURL, o.TypeURL), slices.Compare(r.Resources, o.Resources), cmp.Compare(r.Message, o.Message))
}

func (r Rejection) equal(o Rejection) bool { return r.compare(o) == 0 }

func compactRejections(rejections []Rejection) []Rejection {
	slices.SortFunc(rejections, Rejection.compare)
	return slices.CompactFunc(rejections, Rejection.equal)
}

func (s State) equal(o State) bool {
	return s.Connected == o.Connected && s.AckedRevision == o.AckedRevision &&
		slices.EqualFunc(s.Rejections, o.Rejections, Rejection.equal)
}

func (s State) clone() State {
	s.Rejections = slices.Clone(s.Rejections)
	for i := range s.Rejections {
		s.Rejections[i].Resources = slices.Clone(s.Rejections[i].Resources)
	}
	return s
}
