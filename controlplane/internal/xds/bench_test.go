package xds_test

import (
	"fmt"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// BenchmarkPublish changes the endpoints of one of many backends, and the
// settings of one, up to the acknowledgement of a real Envoy.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{10, 1000} {
		for _, change := range []string{"endpoints", "cluster"} {
			b.Run(fmt.Sprintf("routes=%d/change=%s", size, change), func(b *testing.B) {
				w := newWorld(b)
				gw := wide(envoytest.FreePort(b), size)
				w.publish(gw.ir())
				w.envoy(false)
				w.waitFor(func(s xds.State) bool { return s.AckedRevision == w.revision })
				for i := 0; b.Loop(); i++ {
					port := uint16(i%60000 + 1)
					c := edsCluster("kube_default_service-0_443", port, nil)
					if change == "cluster" {
						c.HTTP2 = i%2 == 0
						c.SetName()
					}
					gw.clusters[0], gw.routes[0] = c, forward("/route-0", c.Name)
					w.publish(gw.ir())
					for w.server.State(gatewayName()).AckedRevision != w.revision {
						<-w.server.Changed()
					}
				}
			})
		}
	}
}

// BenchmarkBuild translates one Gateway.
func BenchmarkBuild(b *testing.B) {
	for _, size := range []int{10, 1000} {
		b.Run(fmt.Sprintf("routes=%d", size), func(b *testing.B) {
			gw := wide(8080, size).ir()
			for b.Loop() {
				if _, err := envoy.Build(gw, envoy.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// wide is a Gateway with one backend for each route.
func wide(port uint16, size int) gateway {
	gw := gateway{port: port}
	for i := range size {
		c := edsCluster(fmt.Sprintf("kube_default_service-%d_443", i), 1, nil)
		gw.clusters = append(gw.clusters, c)
		gw.routes = append(gw.routes, forward(fmt.Sprintf("/route-%d", i), c.Name))
	}
	return gw
}
