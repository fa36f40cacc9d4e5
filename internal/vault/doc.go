// Package vault seals the secrets of connected accounts and auth configs.
//
// It is envelope encryption in two steps. A keyset (Tink, AES-256-GCM) seals
// each secret; the keyset itself lies in the store, sealed by a key-encryption
// key (KEK) that a KeyProvider gives and that never enters the store: a file, a
// variable, HashiCorp Vault's transit engine, a program. Each sealed secret is
// bound to its project, account and field: moved to another row, it does not
// open.
//
// When the store holds a keyset that the provider's KEK does not open, Open
// refuses: making a new one would turn every stored secret into noise.
//
// Both keys rotate while processes run. A key of the keyset goes through these
// states, each step a compare and swap on the stored keyset:
//
//	primary   seals and opens                               (Rotate makes one)
//	old       opens; Reseal puts its secrets under the primary
//	disabled  opens nothing; nothing is sealed with it      (Retire)
//	gone      after InFlight without a late secret          (Retire)
//
// Sealed bytes begin with the id of their key. A process that meets an id that
// it does not know reads the keyset again, and one that seals does so once a
// second: nobody is told of a rotation, and nobody needs to be.
package vault
