package confluence

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sort"
	"strings"
	"time"
)

// User is an account of the site.
type User struct {
	AccountID   string // made when empty
	Email       string // unique without regard to case
	DisplayName string // the part of Email before @ when empty
	TimeZone    string // IANA name, "UTC" when empty; CQL dates are read in it
	Token       string // API token, made when empty
	Admin       bool   // administers the site: the audit log, groups, all spaces that are not private
}

// AddUser adds an account, or gives an existing one (same e-mail) a new token
// and name. The result holds its account id and token. A zone that the system
// does not know becomes UTC.
func (s *Sandbox) AddUser(u User) User {
	s.mu.Lock()
	defer s.unlock()
	return s.st.addUser(u)
}

func (st *store) addUser(u User) User {
	if old := st.userByEmail(u.Email); old != nil {
		st.revoke(old)
		u.AccountID = old.AccountID
	}
	if u.AccountID == "" {
		u.AccountID = fmt.Sprintf("712020:%s", uuidOf("user/"+strings.ToLower(u.Email)+"/"+fmt.Sprint(len(st.users))))
	}
	if u.DisplayName == "" {
		u.DisplayName, _, _ = strings.Cut(u.Email, "@")
	}
	if u.Token == "" {
		u.Token = "sandbox-" + rand.Text()
	}
	loc, err := time.LoadLocation(u.TimeZone)
	if err != nil || u.TimeZone == "" {
		u.TimeZone, loc = "UTC", time.UTC
	}
	st.users[u.AccountID] = &user{User: u, timeZone: u.TimeZone, loc: loc}
	st.tokens[credential(u.Email, u.Token)] = u.AccountID
	st.enrol(u)
	return u
}

// credential is the digest under which e-mail and token are looked up.
func credential(email, token string) [32]byte {
	return sha256.Sum256([]byte(strings.ToLower(email) + "\x00" + token))
}

func (st *store) userByEmail(email string) *user {
	for _, u := range st.users {
		if strings.EqualFold(u.Email, email) {
			return u
		}
	}
	return nil
}

func (st *store) revoke(u *user) { delete(st.tokens, credential(u.Email, u.Token)) }

// RemoveUser deletes an account. Its token stops working; what it wrote stays.
// It says whether the account existed.
func (s *Sandbox) RemoveUser(accountID string) bool {
	s.mu.Lock()
	defer s.unlock()
	u := s.st.users[accountID]
	if u == nil {
		return false
	}
	s.st.revoke(u)
	delete(s.st.users, accountID)
	return true
}

// RevokeToken makes an account's API token worthless; the account stays.
// It says whether the account existed.
func (s *Sandbox) RevokeToken(accountID string) bool {
	s.mu.Lock()
	defer s.unlock()
	u := s.st.users[accountID]
	if u == nil {
		return false
	}
	s.st.revoke(u)
	u.Token = ""
	return true
}

// Users lists the accounts by display name, tokens included.
func (s *Sandbox) Users() []User {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]User, 0, len(s.st.users))
	for _, u := range s.st.users {
		out = append(out, u.User)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].DisplayName < out[j].DisplayName })
	return out
}
