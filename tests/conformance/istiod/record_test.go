package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"testing"

	_ "istio.io/istio/pkg/config/xds" // Envoy's own types, to write them as JSON
	"istio.io/istio/pkg/log"
)

// TestRecord writes CONFORMANCE_OUT/NAME.json for each CONFORMANCE_IN/NAME.json. What is there
// already is left: a run that istiod ended by a panic in a goroutine is taken up again.
func TestRecord(t *testing.T) {
	in, out := os.Getenv("CONFORMANCE_IN"), os.Getenv("CONFORMANCE_OUT")
	if in == "" {
		t.Skip("CONFORMANCE_IN is not set")
	}
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	paths, err := filepath.Glob(filepath.Join(in, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(paths)
	for _, path := range paths {
		target := filepath.Join(out, filepath.Base(path))
		if _, err := os.Stat(target); err == nil {
			continue
		}
		if err := record(t, path, target); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
}

func record(t *testing.T, path, target string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	scenario, err := parse(text)
	if err != nil {
		return err
	}
	output := Output{Rejected: scenario.Rejected}
	t.Run(filepath.Base(path), func(t *testing.T) {
		// istiod's own panics are an answer too.
		defer func() {
			if reason := recover(); reason != nil {
				output.Panic = fmt.Sprint(reason)
			}
		}()
		output.Gateways = run(t, scenario)
	})
	written, err := json.Marshal(output)
	if err != nil {
		return err
	}
	return os.WriteFile(target, written, 0o644)
}
