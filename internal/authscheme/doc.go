// Package authscheme speaks the protocols by which a connection gets its
// credentials, one file a scheme. It keeps nothing: what it is given and what it
// gives live for one request.
//
// oauth2.go is the client's side of OAuth 2 (RFC 6749, with PKCE of RFC 7636 and
// revocation of RFC 7009). Its errors say what became of the grant, which is what
// decides whether a connection lives: see [Kind].
package authscheme
