package connect

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// The words of readable account names: short, plain, hard to confuse.
var (
	adjectives = [...]string{
		"amber", "ample", "azure", "bold", "brave", "brief", "bright", "brisk",
		"calm", "candid", "clear", "clever", "cosy", "crisp", "daring", "deft",
		"eager", "early", "even", "fair", "fond", "frank", "fresh", "gentle",
		"glad", "golden", "grand", "green", "happy", "hardy", "honest", "humble",
		"ivory", "jolly", "keen", "kind", "lively", "loyal", "lucid", "lucky",
		"mellow", "merry", "mild", "neat", "nimble", "noble", "novel", "olive",
		"patient", "placid", "polite", "proud", "quick", "quiet", "rapid", "royal",
		"rustic", "silver", "steady", "sunny", "tidy", "vivid", "warm", "witty",
	}
	nouns = [...]string{
		"acorn", "anchor", "badger", "bamboo", "beacon", "birch", "bison", "bridge",
		"brook", "canyon", "cedar", "cliff", "clover", "comet", "coral", "crane",
		"delta", "dune", "eagle", "ember", "falcon", "fern", "finch", "fjord",
		"forest", "fox", "garden", "glacier", "grove", "harbor", "hazel", "heron",
		"island", "ivy", "juniper", "lagoon", "lantern", "lark", "lynx", "maple",
		"meadow", "mesa", "moose", "orchid", "otter", "owl", "panda", "pebble",
		"pine", "prairie", "puffin", "quarry", "raven", "reef", "river", "robin",
		"salmon", "spruce", "swan", "tulip", "valley", "walnut", "willow", "wren",
	}
)

// newWordID makes a readable name such as confluence_amber_fox. It is not
// unique by itself: the store refuses one that the user already has.
func newWordID(toolkitSlug string) string { return wordID(toolkitSlug, rand.Uint64()) }

// wordIDFor makes the same name from the same seed.
func wordIDFor(toolkitSlug, seed string) string {
	sum := sha256.Sum256([]byte(seed))
	return wordID(toolkitSlug, binary.BigEndian.Uint64(sum[:]))
}

func wordID(toolkitSlug string, n uint64) string {
	return toolkitSlug + "_" + adjectives[n%uint64(len(adjectives))] + "_" + nouns[n/uint64(len(adjectives))%uint64(len(nouns))]
}
