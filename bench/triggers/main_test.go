package main

import "testing"

// The program still fits the rooms that it measures.
func TestMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures, and has no work for the race detector")
	}
	n := amounts{instances: 20, polls: 10, changes: 5, single: 2, kept: 20}
	if err := measure(t.Context(), "SQLite", t.TempDir(), "", n); err != nil {
		t.Fatal(err)
	}
}
