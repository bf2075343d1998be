// Package controlplane is the controller: it turns the Gateway API objects of
// a cluster into the configuration of the Envoy proxies of each Gateway, and
// says in every object's status what has become of it.
//
// # The way of the data
//
// Read the packages in this order; each has a comment on what goes in and what
// comes out.
//
//  1. api/v1alpha1 has the Go types of Backend, BackendConfigPolicy and
//     GatewayParameters, from which the CRDs are generated. All other kinds
//     are Gateway API's and Kubernetes' own.
//  2. contract has the names on which the controller and the plugin agree.
//     contract/bundle reads CA bundles for both, and contract/pki issues
//     certificates.
//  3. internal/snapshot is an immutable, sorted set of objects.
//  4. internal/source watches the API server and gives a snapshot whenever
//     something has changed that a translation reads.
//  5. internal/ir has plain values for what proxies shall do and for what
//     statuses shall say. It knows neither Kubernetes nor Envoy.
//  6. internal/translate makes an ir.Result of a snapshot. It is a function:
//     the same objects in any order give the same bytes, and a bad object
//     makes one listener, route or backend invalid, never the translation.
//  7. internal/envoy makes the Envoy resources of one ir.Gateway, validated.
//  8. internal/xds serves them to proxies over mutual TLS: it sends what has
//     changed, in an order in which nothing is used before it is there, and
//     keeps what each proxy acknowledged or rejected.
//  9. internal/deploy gives each Gateway its Envoys in the cluster, as
//     internal/parameters reads GatewayParameters, with the bootstrap of
//     package bootstrap.
//  10. internal/status puts the statuses of the translation and the answers of
//     the proxies together and writes them.
//
// In a cluster, internal/identity keeps the CA of that mutual TLS, and issues
// the certificates of the controller and of the proxies; internal/leader elects
// the replica that writes, and internal/replica tells it what the proxies of
// the others have answered. internal/metrics counts for Prometheus.
//
// This package joins them: Run for a cluster, Translate for manifests.
//
//	API server --watch--> source --Snapshot--> translate --ir.Result--> barrier
//	    ^                                                    |             |
//	    |                                                 Statuses      Gateways
//	    |                                                    v             v
//	    +--------------writes-------------- status <--ACK-- xds <------- envoy
//	                                                         |
//	                                                  delta or SOTW ADS
//	                                                         v
//	                                                      proxies
//
// # The barrier
//
// Caches of different kinds are not in step: a route can arrive before the
// policy that was written before it, and the backend would be reached without
// TLS. So before a Gateway opens a way to a backend without TLS that it did not
// have before, the controller asks the API server, past its caches, what
// exists in that backend's namespace, and the Gateway keeps what it runs until
// a snapshot has seen all of that. Deletions are not in step either: it also
// asks whether Gateway, ListenerSet, routes and backend are still there, and
// waits until those that are not have left the snapshot. (A ReferenceGrant that
// is revoked before a policy is not asked for.) While the API server does not
// answer, the Gateway is held: see barrier.go.
//
// # Replicas
//
// In a cluster (Options.Cluster) there are several, and each does all of the
// above for the proxies that are connected to it: translations are functions, so
// that all serve the same. One of them leads, by a Lease: it alone writes
// statuses, deploys proxies and keeps the CA. A status depends on what all
// proxies have answered, so each replica reports that in a ConfigMap of its own
// (internal/replica), and the leader puts the reports together: together.go. A
// replica that loses the Lease stops writing at once and goes on serving.
//
// Proxies move: from a replica that ends or dies, or every half hour so that they
// spread over replicas that came later. A proxy that moves keeps its
// configuration and is sent nothing that it has, and statuses give it some
// seconds to arrive. Run says how a replica ends.
//
// # What happens when something fails
//
//   - The API server is away: proxies keep what they have, and the controller
//     goes on serving it.
//   - Envoy rejects a resource: the Gateway and the objects behind the resource
//     say so in their status; everything else goes on.
//   - The translation panics, which is a defect: it is logged with its stack,
//     proxies keep the last good configuration, and the next change is another
//     attempt. Ending the process would also take xDS away from proxies that
//     start meanwhile, and the same objects would end the next process too. A
//     panic anywhere else ends the process.
//   - A replica dies: its proxies connect to another within a second. If it led,
//     another leads 15 s later; until then nothing is written. What its proxies
//     had answered counts until its report expires, 12 s later.
//   - The controller starts: nothing is served before all caches have synced
//     and everything has been translated once, so a proxy never gets less than
//     it has.
package controlplane
