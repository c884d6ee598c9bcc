package conformance

import (
	"encoding/json"
	"fmt"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/util/protomarshal"
)

// Output is what istiod makes of one scenario.
type Output struct {
	// Rejected names what validation refuses: "KIND/NAMESPACE/NAME: why".
	Rejected []string         `json:"rejected"`
	Gateways []*Configuration `json:"gateways"`
	// Panic is what istiod said as it broke.
	Panic string `json:"panic,omitempty"`
}

// Configuration is what istiod sends to the pod of one gateway.
type Configuration struct {
	// Name is NAMESPACE/NAME of the pod.
	Name      string            `json:"name"`
	Listeners []json.RawMessage `json:"listeners"`
	Routes    []json.RawMessage `json:"routes"`
	// Clusters has the type of each cluster by name: EDS, STATIC, STRICT_DNS, ...
	Clusters map[string]string `json:"clusters"`
	// Endpoints counts those of each cluster that get requests.
	Endpoints map[string]int `json:"endpoints"`
	Errors    []string       `json:"errors,omitempty"`
}

// configurationOf collects what istiod sends to a pod.
func configurationOf(server *xds.FakeDiscoveryServer, pod *Pod) (*Configuration, error) {
	connected, err := pod.proxy(server.Env().Mesh())
	if err != nil {
		return nil, err
	}
	proxy := server.SetupProxy(connected)
	found := &Configuration{
		Name:      pod.Metadata.Namespace + "/" + pod.Metadata.Name,
		Clusters:  map[string]string{},
		Endpoints: map[string]int{},
	}
	listeners := server.Listeners(proxy)
	for _, listener := range listeners {
		found.Listeners = found.append(found.Listeners, listener.Name, listener)
	}
	for _, route := range server.RoutesFromListeners(proxy, listeners) {
		found.Routes = found.append(found.Routes, route.Name, route)
	}
	found.addClusters(server, proxy)
	return found, nil
}

func (c *Configuration) append(to []json.RawMessage, name string, message proto.Message) []json.RawMessage {
	written, err := protomarshal.Marshal(message)
	if err != nil {
		c.Errors = append(c.Errors, fmt.Sprintf("%s: %v", name, err))
		return to
	}
	return append(to, written)
}

func (c *Configuration) addClusters(server *xds.FakeDiscoveryServer, proxy *model.Proxy) {
	for _, cluster := range server.Clusters(proxy) {
		c.Clusters[cluster.Name] = cluster.GetType().String()
		for _, locality := range cluster.GetLoadAssignment().GetEndpoints() {
			c.Endpoints[cluster.Name] += usable(locality.LbEndpoints)
		}
	}
	for _, assignment := range server.Endpoints(proxy) {
		for _, locality := range assignment.Endpoints {
			c.Endpoints[assignment.ClusterName] += usable(locality.LbEndpoints)
		}
	}
}

// usable counts the endpoints that get requests. Istio sends those that are not ready too and turns
// Envoy's panic threshold off for them (pilot/pkg/networking/core/cluster_traffic_policy.go:323).
func usable(endpoints []*endpoint.LbEndpoint) int {
	count := 0
	for _, each := range endpoints {
		switch each.HealthStatus {
		case core.HealthStatus_UNHEALTHY, core.HealthStatus_DRAINING, core.HealthStatus_TIMEOUT:
		default:
			count++
		}
	}
	return count
}
