package catalog_test

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/toolkit"
	"github.com/sluice-run/sluice/toolkits/confluence"
)

// The gates. They stand a little below what was measured, so that a change that
// makes the search worse fails and one query more or less does not.
type gate struct{ hit1, recall5 float64 }

var gates = map[string]gate{
	"words":      {0.80, 0.96},
	"paraphrase": {0.67, 0.88},
}

// heldOutGates are for queries that were written after the search was tuned, so
// that they measure what the others flatter.
var heldOutGates = map[string]gate{
	"words":      {0.82, 0.94},
	"paraphrase": {0.60, 0.88},
}

// labelled is one query with the tools that answer it.
type labelled struct {
	kind, query string
	tools       []string
}

// TestRelevance runs the labelled queries against the real catalogue beside a
// second toolkit, and prints and gates hit@1 and recall@5. Half of the queries
// avoid the tools' words; all were written without sight of the keywords.
func TestRelevance(t *testing.T) {
	t.Parallel()
	c, err := catalog.New(confluence.New(), mailbox(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []struct {
		file  string
		least int // of each kind
		gates map[string]gate
	}{
		{"queries.tsv", 75, gates},
		{"queries_heldout.tsv", 40, heldOutGates},
	} {
		t.Run(set.file, func(t *testing.T) {
			for kind, sum := range rank(t, c, readQueries(t, "testdata/"+set.file)) {
				if sum.queries < set.least {
					t.Errorf("got %d queries of kind %s, want at least %d", sum.queries, kind, set.least)
					continue
				}
				hit1, recall5 := float64(sum.hit1)/float64(sum.queries), float64(sum.recall5)/float64(sum.queries)
				fmt.Printf("search relevance, %s, %s: hit@1 %.2f, recall@5 %.2f over %d queries\n", set.file, kind, hit1, recall5, sum.queries)
				if want := set.gates[kind]; hit1 < want.hit1 || recall5 < want.recall5 {
					t.Errorf("%s: hit@1 %.2f, recall@5 %.2f; want at least %.2f and %.2f", kind, hit1, recall5, want.hit1, want.recall5)
				}
			}
		})
	}
}

type tally struct{ queries, hit1, recall5 int }

// rank searches for each query and counts by kind; what missed is logged.
func rank(t *testing.T, c *catalog.Catalog, queries []labelled) map[string]*tally {
	t.Helper()
	all := func(*catalog.Tool) bool { return true }
	sums := map[string]*tally{"words": {}, "paraphrase": {}}
	for _, q := range queries {
		for _, slug := range q.tools {
			if _, err := c.Tool(t.Context(), "", slug, ""); err != nil {
				t.Errorf("%q names a tool that is not there: %s", q.query, slug)
			}
		}
		sum := sums[q.kind]
		if sum == nil {
			t.Fatalf("%q: unknown kind %q", q.query, q.kind)
		}
		sum.queries++
		got := slugs(c.Search(t.Context(), "", q.query, 5, all))
		fits := func(slug string) bool { return slices.Contains(q.tools, slug) }
		switch at := slices.IndexFunc(got, fits); {
		case at == 0:
			sum.hit1++
			sum.recall5++
		case at > 0:
			sum.recall5++
			t.Logf("%-10s at %d: %q: want %v, got %v", q.kind, at+1, q.query, q.tools, got[0])
		default:
			t.Logf("%-10s missed: %q: want %v, got %v", q.kind, q.query, q.tools, got)
		}
	}
	return sums
}

// readQueries reads lines of kind, query and acceptable tools, apart by tabs.
func readQueries(t *testing.T, name string) []labelled {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []labelled
	seen := map[string]bool{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := sc.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		part := strings.Split(line, "\t")
		if len(part) != 3 {
			t.Fatalf("%s: %q: expected kind, query and tools, apart by tabs", name, line)
		}
		if seen[part[1]] {
			t.Errorf("%s: %q is there twice", name, part[1])
		}
		seen[part[1]] = true
		list = append(list, labelled{part[0], part[1], strings.Split(part[2], ",")})
	}
	return list
}

// mailbox is a toolkit that shares many words with Confluence's: labels,
// search, comments, drafts, versions.
func mailbox(t *testing.T) *toolkit.Toolkit {
	t.Helper()
	tk := &toolkit.Toolkit{Slug: "mailbox", Name: "Mailbox", Version: "20260101_00"}
	for _, d := range [][3]string{
		{"SEND_MESSAGE", "Send Message", "Send an e-mail message to one or more people."},
		{"CREATE_DRAFT", "Create Draft", "Create a draft of an e-mail message to be sent later."},
		{"UPDATE_DRAFT", "Update Draft", "Change the text or recipients of a draft message."},
		{"DELETE_MESSAGE", "Delete Message", "Move a message to the trash."},
		{"GET_MESSAGE_BY_ID", "Get Message by ID", "Read one message with its text and headers."},
		{"LIST_MESSAGES", "List Messages", "List the messages of a folder, newest first."},
		{"SEARCH_MESSAGES", "Search Messages", "Search messages by sender, subject, date or words."},
		{"REPLY_TO_MESSAGE", "Reply to Message", "Answer a message in its thread."},
		{"FORWARD_MESSAGE", "Forward Message", "Pass a message on to other people."},
		{"ADD_LABEL", "Add Label to Message", "Put a label on a message."},
		{"REMOVE_LABEL", "Remove Label from Message", "Take a label off a message."},
		{"LIST_LABELS", "List Labels", "List the labels of the mailbox."},
		{"CREATE_LABEL", "Create Label", "Create a new label for messages."},
		{"CREATE_FOLDER", "Create Folder", "Create a folder for messages."},
		{"LIST_FOLDERS", "List Folders", "List the folders of the mailbox."},
		{"GET_ATTACHMENT", "Get Attachment", "Download a file that is attached to a message."},
		{"LIST_THREADS", "List Threads", "List conversation threads."},
		{"GET_THREAD", "Get Thread", "Read all messages of a thread."},
		{"SEARCH_CONTACTS", "Search Contacts", "Find people in the address book."},
		{"GET_PROFILE", "Get Profile", "Read whose mailbox this is."},
	} {
		tk.Tools = append(tk.Tools, rawTool(t, "MAILBOX_"+d[0], d[1], d[2]))
	}
	return tk
}

func BenchmarkSearch(b *testing.B) {
	c, err := catalog.New(confluence.New())
	if err != nil {
		b.Fatal(err)
	}
	all := func(*catalog.Tool) bool { return true }
	b.ReportAllocs()
	for b.Loop() {
		c.Search(b.Context(), "", "add the urgent label to the planning page in marketing", 10, all)
	}
}
