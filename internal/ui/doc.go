// Package ui serves the pages that a person sees: the connect page, on which a
// user gives an account its credentials. It is rendered here, works without
// scripts and loads nothing from elsewhere.
package ui
