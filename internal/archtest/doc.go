// Package archtest holds the rules of the house as tests: which package may
// import which, which dependency belongs to whom, and what no file may do. A
// rule that fails says what to change; where a rule is wrong, change the table
// in the same commit and say why.
package archtest
