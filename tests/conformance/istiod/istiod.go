package conformance

import (
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/config/schema/gvr"
	"istio.io/istio/pkg/kube"
	"istio.io/istio/pkg/kube/kclient/clienttest"
)

// bundle is the release of the Gateway API that the scenarios' cluster has. Without the annotation
// istiod passes over the CRDs that it wants in a certain release (minimumVersionFilter of
// pkg/kube/kclient/crdwatcher.go), and its fake API server makes them without.
var bundle = map[string]string{"gateway.networking.k8s.io/bundle-version": "v1.6.0"}

var gatewayKinds = []schema.GroupVersionResource{
	gvr.GRPCRoute, gvr.TLSRoute, gvr.TCPRoute, gvr.ListenerSet, gvr.BackendTLSPolicy,
}

// run starts istiod on a scenario and asks it what it sends to each gateway.
func run(t *testing.T, scenario *Scenario) (gateways []*Configuration) {
	server := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		Configs:                    scenario.Configs,
		KubernetesObjects:          scenario.Objects,
		MeshConfig:                 scenario.Mesh,
		DisableSecretAuthorization: true,
		KubeClientModifier:         func(client kube.Client) { addDefinitions(t, client) },
	})
	server.EnsureSynced(t)
	settle(t, server, scenario.IsDerived)
	for _, pod := range scenario.Gateways {
		found, err := configurationOf(server, pod)
		if err != nil {
			t.Fatal(err)
		}
		gateways = append(gateways, found)
	}
	return gateways
}

// addDefinitions adds the CRDs of the Gateway API, and the annotation to those that are made later.
func addDefinitions(t *testing.T, client kube.Client) {
	metadata := client.Metadata().(*fake.FakeMetadataClient)
	annotate := func(action clienttesting.Action) (bool, runtime.Object, error) {
		if made, ok := action.(clienttesting.CreateAction); ok {
			made.GetObject().(*metav1.PartialObjectMetadata).Annotations = bundle
		}
		return false, nil, nil
	}
	metadata.PrependReactor("*", "customresourcedefinitions", annotate)
	for _, kind := range gatewayKinds {
		clienttest.MakeCRD(t, client, kind)
	}
}

// settle waits until what controllers derive (Gateways, VirtualServices) changes no more.
func settle(t *testing.T, server *xds.FakeDiscoveryServer, isDerived bool) {
	need, pause := 2, 25*time.Millisecond
	if isDerived {
		need, pause = 4, 60*time.Millisecond
	}
	last, same := derived(server), 0
	for tries := 0; tries < 200 && same < need; tries++ {
		time.Sleep(pause)
		now := derived(server)
		if now == last {
			same++
		} else {
			same = 0
		}
		last = now
	}
	server.Discovery.ConfigUpdate(&model.PushRequest{
		Forced: true,
		Reason: model.NewReasonStats(model.ConfigUpdate),
	})
	server.EnsureSynced(t)
}

func derived(server *xds.FakeDiscoveryServer) string {
	var lines []string
	for _, kind := range []config.GroupVersionKind{
		gvk.Gateway, gvk.VirtualService, gvk.DestinationRule, gvk.ServiceEntry,
	} {
		for _, each := range server.Env().List(kind, "") {
			spec, _ := config.ToJSON(each.Spec)
			lines = append(lines, fmt.Sprintf(
				"%s/%s/%s %s %v", kind.Kind, each.Namespace, each.Name, spec, each.Annotations))
		}
	}
	for _, service := range server.Env().Services() {
		lines = append(lines, string(service.Hostname))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
