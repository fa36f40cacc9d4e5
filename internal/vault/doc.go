// Package vault seals the secrets of connected accounts and auth configs.
//
// It is envelope encryption in two steps. A keyset (Tink, AES-256-GCM) seals
// each secret; the keyset itself lies in the store, sealed by a key-encryption
// key (KEK) that a KeyProvider gives and that never enters the store. Each
// sealed secret is bound to its project, account and field: moved to another
// row, it does not open.
//
// A home has one keyset for its life. When the store holds a keyset that the
// provider's KEK does not open, Open refuses: making a new one would turn
// every stored secret into noise.
package vault
