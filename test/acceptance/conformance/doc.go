// Package conformance runs the public conformance suites of MCP against the
// real endpoint. Its test boots the services that `sluice serve` boots, with a
// toolkit of fixtures added to the catalogue, and lets both published versions
// of the suite loose on two sessions: an ordinary one and one that shows the
// fixtures under the names that the suites ask for.
//
// install.sh fetches what the run needs. Without it the test is skipped, or
// fails when CI=true. expected.yaml lists what does not pass, and why.
package conformance
