package client_test

import (
	"context"
	"fmt"
	"log"

	"github.com/sluice-run/sluice/client"
)

// signIn does what a person does at a link: sign in at the provider. It is done by
// hand here, as for a program that the person's browser cannot reach.
func signIn(c *client.Client, link *client.Link) {
	ctx, w := context.Background(), theWorld()
	begun, err := c.BeginConsent(ctx, link.Token, nil)
	ok(err)
	done, err := c.AnswerConsent(ctx, begun, w.consent(begun, w.site))
	ok(err)
	if done.Status == "question" { // which of the sites that they consented to
		done, err = c.FinishConsent(ctx, begun, w.site.CloudID())
		ok(err)
	}
	if done.Status != "connected" {
		log.Fatal(done.Status, " ", done.Message)
	}
}

// acmesOAuth is what a project brings of its own application at the provider: here
// it leads to a Confluence of the tests.
func acmesOAuth() client.NewAuthConfig { return theWorld().config("") }

// A project brings its own application at the provider, and a user connects by the
// provider's consent page.
func ExampleClient_LinkAccount() {
	ctx, c := context.Background(), newClient()
	config, err := c.CreateAuthConfig(ctx, acmesOAuth()) // Toolkit, Scheme "OAUTH2", client_id, client_secret
	if err != nil {
		log.Fatal(err)
	}
	link, err := c.LinkAccount(ctx, client.LinkRequest{UserID: "user_link", AuthConfigID: config.ID})
	if err != nil {
		log.Fatal(err)
	}
	go signIn(c, link) // a person opens link.URL
	account, err := c.WaitForAccount(ctx, link.AccountID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(account.Status, account.Toolkit.Slug, account.UserID)
	// Output: ACTIVE confluence user_link
}

// In a session the toolkit is enough: the session says which auth config it is.
func ExampleSession_Connect() {
	ctx, c := context.Background(), newClient()
	config, err := c.CreateAuthConfig(ctx, acmesOAuth())
	if err != nil {
		log.Fatal(err)
	}
	session, err := c.Create(ctx, "user_connect", client.SessionOptions{AuthConfigs: map[string]string{"confluence": config.ID}})
	if err != nil {
		log.Fatal(err)
	}
	link, err := session.Connect(ctx, client.ConnectOptions{Toolkit: "confluence", Alias: "work"})
	if err != nil {
		log.Fatal(err)
	}
	go signIn(c, link) // a person opens link.URL
	account, err := c.WaitForAccount(ctx, link.AccountID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(account.Status, account.Alias)
	for toolkit, err := range session.Toolkits(ctx, client.SessionToolkitQuery{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(toolkit.Slug, toolkit.Account.ID == account.ID)
	}
	// Output:
	// ACTIVE work
	// confluence true
}

// What a scheme asks of the project, and what an auth config shows of it: never a
// secret.
func ExampleClient_CreateAuthConfig() {
	ctx, c := context.Background(), newClient()
	fields, err := c.AuthConfigFields(ctx, "confluence", "OAUTH2")
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range fields {
		if f.Required {
			fmt.Println(f.Name, f.Secret)
		}
	}
	config, err := c.CreateAuthConfig(ctx, client.NewAuthConfig{
		Toolkit: "confluence", Scheme: "OAUTH2", Name: "team",
		Credentials: map[string]string{"client_id": "an app", "client_secret": "its secret"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.DeleteAuthConfig(ctx, config.ID, false) }()
	fmt.Println(config.Name, config.Status, config.Credentials["client_id"], config.Credentials["client_secret"])
	// Output:
	// client_id false
	// client_secret true
	// team ENABLED an app <nil>
}
