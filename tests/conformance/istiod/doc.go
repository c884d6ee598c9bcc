// Package conformance runs istiod on recorded scenarios and writes down what it would send to the
// gateways in them. It calls Istio's packages as a module and holds none of their code.
//
// It is a test binary, since istiod without a cluster comes from Istio's own test packages:
//
//	go test -c -o istiod.test .
//	CONFORMANCE_IN=DIR CONFORMANCE_OUT=DIR ./istiod.test
//
// DIR/NAME.json holds {"objects": [...]}; what comes out is in output.go. `make conformance-truth`
// does all of that. go.mod names the newest istiod, older.mod the oldest one that there is a module
// of (go test -modfile=older.mod).
package conformance
