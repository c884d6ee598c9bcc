package conformance

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	kubelib "istio.io/istio/pkg/kube"
)

// gatewayMark is the annotation of the pods whose configuration is wanted.
const gatewayMark = "oracle/gateway"

// Scenario is a cluster as istiod's fake API server takes it.
type Scenario struct {
	// Configs are the objects of Istio's own APIs.
	Configs []config.Config
	// Objects are all others.
	Objects  []runtime.Object
	Mesh     *meshconfig.MeshConfig
	Gateways []*Pod
	Rejected []string
	// IsDerived says that controllers make Gateways and VirtualServices from other kinds.
	IsDerived bool
}

// Pod is a gateway's.
type Pod struct {
	Metadata Metadata `json:"metadata"`
	Spec     struct {
		Containers []struct {
			Image string `json:"image"`
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		PodIP string `json:"podIP"`
	} `json:"status"`
}

// version is the tag of the proxy's image.
func (p *Pod) version() string {
	if len(p.Spec.Containers) == 0 {
		return ""
	}
	_, tag, _ := strings.Cut(p.Spec.Containers[0].Image, ":")
	return tag
}

// Metadata is what is read of any object's.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type header struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
}

func (h header) String() string {
	return h.Kind + "/" + h.Metadata.Namespace + "/" + h.Metadata.Name
}

// configAnnotation holds ProxyConfig for one pod; its agent sends that to istiod.
const configAnnotation = "proxy.istio.io/config"

// proxy is the pod as istiod knows a proxy that has connected.
func (p *Pod) proxy(defaults *meshconfig.MeshConfig) (*model.Proxy, error) {
	settings, err := mesh.ApplyProxyConfig(p.Metadata.Annotations[configAnnotation], defaults)
	if err != nil {
		return nil, err
	}
	return &model.Proxy{
		Type:            model.Router,
		ID:              p.Metadata.Name + "." + p.Metadata.Namespace,
		ConfigNamespace: p.Metadata.Namespace,
		Labels:          p.Metadata.Labels,
		IPAddresses:     []string{p.Status.PodIP},
		Metadata: &model.NodeMetadata{
			Labels:       p.Metadata.Labels,
			Namespace:    p.Metadata.Namespace,
			IstioVersion: p.version(),
			ClusterID:    "Kubernetes",
			ProxyConfig:  (*model.NodeMetaProxyConfig)(settings.DefaultConfig),
		},
	}, nil
}

// parse reads {"objects": [...]}; an object that validation refuses is left out and named.
func parse(text []byte) (*Scenario, error) {
	var file struct {
		Objects []json.RawMessage `json:"objects"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	scenario := &Scenario{Mesh: mesh.DefaultMeshConfig()}
	for _, object := range file.Objects {
		var head header
		if err := json.Unmarshal(object, &head); err != nil {
			return nil, err
		}
		if err := scenario.add(head, object); err != nil {
			scenario.Rejected = append(scenario.Rejected, fmt.Sprintf("%s: %v", head, err))
		}
	}
	return scenario, nil
}

func (s *Scenario) add(head header, object []byte) error {
	group, _, _ := strings.Cut(head.APIVersion, "/")
	switch {
	case strings.HasSuffix(group, ".istio.io"):
		return s.addConfig(object)
	case group == "gateway.networking.k8s.io" || head.Kind == "Ingress":
		s.IsDerived = true
	case head.Kind == "Pod" && head.Metadata.Annotations[gatewayMark] != "":
		pod := &Pod{}
		if err := json.Unmarshal(object, pod); err != nil {
			return err
		}
		s.Gateways = append(s.Gateways, pod)
	case head.Kind == "ConfigMap" && head.Metadata.Name == "istio":
		if err := s.setMesh(object); err != nil {
			return err
		}
	}
	object, err := served(head, object)
	if err != nil {
		return err
	}
	decoded, _, err := kubelib.IstioCodec.UniversalDeserializer().Decode(object, nil, nil)
	if err == nil {
		s.Objects = append(s.Objects, decoded)
	}
	return err
}

// served gives an object of the Gateway API in the version that this istiod watches, as the API
// server would convert it.
func served(head header, object []byte) ([]byte, error) {
	for _, kind := range gatewayKinds {
		if strings.ToLower(head.Kind)+"s" != kind.Resource {
			continue
		}
		var fields map[string]any
		if err := json.Unmarshal(object, &fields); err != nil {
			return nil, err
		}
		fields["apiVersion"] = kind.GroupVersion().String()
		return json.Marshal(fields)
	}
	return object, nil
}

func (s *Scenario) addConfig(object []byte) error {
	text, err := yaml.JSONToYAML(object)
	if err != nil {
		return err
	}
	found, unknown, err := crd.ParseInputs(string(text))
	if err != nil {
		return err
	}
	if len(unknown) > 0 {
		return fmt.Errorf("istiod does not know this kind")
	}
	for _, each := range found {
		each.Domain = "cluster.local"
		s.Configs = append(s.Configs, each)
	}
	return nil
}

func (s *Scenario) setMesh(object []byte) error {
	var configMap struct {
		Data struct {
			Mesh string `json:"mesh"`
		} `json:"data"`
	}
	if err := json.Unmarshal(object, &configMap); err != nil {
		return err
	}
	settings, err := mesh.ApplyMeshConfigDefaults(configMap.Data.Mesh)
	if err == nil {
		s.Mesh = settings
	}
	return err
}
