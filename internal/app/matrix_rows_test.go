package app_test

// row is one way to call an operation of the REST API, and what others get for
// it. In its texts {session} is the owner's, {my.session} the caller's, and
// {new.session} a session of the owner's that belongs to the row alone. Every
// row is tried with all owners and callers, under /api/v3.1 and /api/v3:
//
//   - a row that names a thing of its owner is refused (404 or 403) to whoever
//     must not have it: other projects where it names the owner's things alone,
//     other users too where it names a thing of the caller besides ({my.…});
//   - a row that names the caller's things alone shows nothing of others;
//   - then it works for the owner, and shows what it says.
//
// No answer may show anything of somebody else's.
type row struct {
	op    string // operationId in the OpenAPI document
	about string // what is tried, where an operation has several rows
	at    string // goes for the path's parameters, divided by /
	query string
	body  string
	// shows is in the owner's answer: the proof that the row is about that.
	shows string
	// answers says how a wrong one is answered when not with a refusal.
	answers answering
	// shared says that what the row names is the project's: all its users may have
	// it.
	shared bool
	// once says why the owners themselves do not try the row here.
	once string
	// open says why the row needs no credential at all.
	open string
	// operators says that a key of the operator may call it; all others refuse it.
	operators bool
	// public says why there is nothing of anybody's in the answer.
	public string
}

// answering is a way to answer a request that names what the caller may not
// have.
type answering int

const (
	refusal    answering = iota // 404 or 403
	emptyList                   // as if it were not there: a filter that finds nothing
	failedCall                  // a tool call that fails
	badRequest                  // 400: the session that is to be made names it
)

const operators = "it is the operator's, not a key's"

const catalogue = "the catalogue is the same for everybody"

// rows is the matrix: an operation of /openapi.json that has none fails. To add
// one, write its line.
var rows = []row{
	// Sessions.
	{op: "createSession", body: `{"user_id":"{my.user}"}`, shows: `"user_id":"{my.user}"`},
	{op: "createSession", about: "pinned account", body: `{"user_id":"{my.user}","connected_accounts":{"confluence":["{account}"]}}`, shows: "{account}", answers: badRequest},
	{op: "createLabsSession", body: `{"user_id":"{my.user}"}`, shows: `"session_id"`},
	{op: "createLabsSession", about: "auth config", body: `{"user_id":"{user}","config":{"toolkits":[{"toolkit":"confluence","auth_config_id":"{config}"}]}}`, shows: `"session_id"`, answers: badRequest},
	{op: "createSession", about: "auth config", body: `{"user_id":"{user}","auth_configs":{"confluence":"{config}"}}`, shows: "{config}", answers: badRequest},
	{op: "getSession", at: "{session}", shows: "{session}"},
	{op: "updateSession", at: "{new.session}", body: `{"tags":{"disable":["destructiveHint"]}}`, shows: "{new.session}"},
	{op: "updateSession", about: "pinned account", at: "{my.session}", body: `{"connected_accounts":{"confluence":["{account}","{other}"]}}`, shows: "{account}", answers: badRequest},
	{op: "attachSession", at: "{session}", body: `{}`, shows: "{session}"},
	{op: "listSessionConfigs", at: "{session}", shows: `"is_current":true`},
	{op: "deleteSession", at: "{new.session}", shows: "{new.session}"},
	{op: "listSessionTools", at: "{session}", shows: "CONFLUENCE_GET_CURRENT_USER"},
	{op: "listSessionToolkits", at: "{session}", shows: "{account}"},
	{op: "executeInSession", at: "{session}", body: `{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{}}`, shows: "{email}"},
	{op: "executeInSession", about: "account", at: "{my.session}", body: `{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{},"account":"{account}"}`, shows: "{email}"},
	{op: "executeInSession", about: "alias", at: "{my.session}", body: `{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{},"account":"account-{tag}"}`, shows: "{email}"},
	{op: "executeInSession", about: "file", at: "{my.session}", body: `{"tool_slug":"PAPER_READ","arguments":{"file":{"name":"x","mimetype":"text/plain","s3key":"{file}"}}}`, shows: "content of {tag}", answers: failedCall, shared: true},
	{op: "executeMetaInSession", at: "{session}", body: `{"slug":"COMPOSIO_MANAGE_CONNECTIONS","arguments":{"toolkits":["confluence"]}}`, shows: "{account}"},
	{op: "executeMetaInSession", about: "account", at: "{my.session}", body: `{"slug":"COMPOSIO_MULTI_EXECUTE_TOOL","arguments":{"tools":[{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{},"account":"{account}"}]}}`, shows: "{email}", answers: failedCall},
	{op: "createMountUpload", at: "{session}/files", body: `{"mount_relative_path":"a/b.txt"}`, shows: `"upload_url"`},
	{op: "listMountItems", at: "{session}/files", shows: "of-{tag}.txt"},
	{op: "createMountDownload", at: "{session}/files", body: `{"mount_relative_path":"of-{tag}.txt"}`, shows: `"download_url"`},
	{op: "deleteMountItem", at: "{session}/files", body: `{"mount_relative_path":"of-{tag}.txt"}`, once: "the other rows need it"},
	{op: "proxyInSession", at: "{session}", body: `{"toolkit_slug":"confluence","endpoint":"/wiki/rest/api/user/current","method":"GET"}`, shows: "{email}"},
	{op: "proxyInSession", about: "account", at: "{my.session}", body: `{"toolkit_slug":"confluence","account":"{account}","endpoint":"/wiki/rest/api/user/current","method":"GET"}`, shows: "{email}"},
	{op: "linkInSession", at: "{session}", body: `{"toolkit":"confluence"}`, shows: `"link_token"`},
	{op: "searchInSession", at: "{session}", body: `{"queries":[{"use_case":"find a confluence page"}]}`, shows: "CONFLUENCE_"},

	// MCP servers: the project's.
	{op: "createMCPServer", body: `{"name":"{my.new.name}","auth_config_ids":["{config}"]}`, shows: "{config}", answers: badRequest, shared: true},
	{op: "createCustomMCPServer", body: `{"name":"{my.new.name}","auth_config_ids":["{config}"]}`, shows: "{config}", answers: badRequest, shared: true},
	{op: "generateMCPURLs", body: `{"mcp_server_id":"{server}","user_ids":["{my.user}"]}`, shows: "{server}", shared: true},
	{op: "generateMCPURLs", about: "account", body: `{"mcp_server_id":"{my.server}","connected_account_ids":["{account}"]}`, shows: "{account}"},
	{op: "listMCPServers", query: "limit=1000", shows: "{server}"},
	{op: "listMCPServersOfApp", at: "confluence", query: "auth_config_ids={config}", shows: "{server}", answers: emptyList},
	{op: "getMCPServer", at: "{server}", shows: "{server}"},
	{op: "updateMCPServer", at: "{server}", body: `{"managed_auth_via_composio":false}`, shows: "{server}"},
	{op: "updateMCPServer", about: "auth config", at: "{my.server}", body: `{"auth_config_ids":["{config}"]}`, shows: "{server}", answers: badRequest, shared: true},
	{op: "deleteMCPServer", at: "{new.server}", shows: `"deleted":true`},
	{op: "listMCPInstances", at: "{server}", shows: "{server}"},
	{op: "createMCPInstance", at: "{server}", body: `{"user_id":"{my.user}"}`, shows: "{server}", shared: true},
	{op: "deleteMCPInstance", at: "{new.server}/{my.user}", shows: `"deleted_connected_accounts":0`, shared: true},
	{op: "getProjectConfig", query: "for={my.tag}", shows: `"require_mcp_api_key":true`},
	{op: "updateProjectConfig", query: "for={my.tag}", body: `{"require_mcp_api_key":true}`, shows: `"require_mcp_api_key":true`},
	{op: "createSession", about: "permission", body: `{"user_id":"{my.user}","experimental":{"permissions":{"default":"allow_all","overrides":{"*:{account}":"ask_always"}}}}`, shows: "{account}", answers: badRequest},
	{op: "listApprovals", query: "user_id={my.user}", shows: "{approval}"},
	{op: "listApprovals", about: "by session", query: "session_id={waiting}", shows: "{approval}", answers: emptyList},
	{op: "getApproval", at: "{approval}", shows: "{tag}"},
	{op: "decideApproval", at: "{new.approval}", body: `{"decision":"allow"}`, shows: `"state":"allowed"`},

	// The project, its keys, and the organisation that there is not.
	{op: "getSessionInfo", query: "for={my.tag}", shows: "{project}"},
	{op: "listProjects", query: "for={my.tag}", shows: "{project}"},
	{op: "listOwnedProjects", operators: true, query: "for={my.tag}", shows: "{project}"},
	{op: "getProject", operators: true, at: "{project}", shows: "{project}"},
	{op: "createProject", operators: true, body: `{"name":"{my.new.name}"}`, once: operators},
	{op: "deleteProject", operators: true, at: "{project}", once: operators},
	{op: "regenerateProjectKey", operators: true, at: "{project}", once: operators},
	{op: "getOrgUsageSummary", operators: true, body: `{"filters":{"project_id":["{project}"]}}`, once: operators},
	{op: "getOrgUsage", operators: true, at: "tool_calls", body: `{"filters":{"project_id":["{project}"]}}`, once: operators},
	{op: "listOrganisations", query: "for={my.tag}", shows: "org_self_hosted"},
	{op: "revokeAPIKeys", body: `{"api_keys":["{my.new.name}"]}`, shows: `"received":true`, open: "who knows a key may end it"},
	{op: "getNanoID", query: "uuid={config_uuid}&type=AUTH_CONFIG", shows: "{config}"},
	{op: "listConsumerToolkits", query: "user_id={my.user}", shows: "confluence"},
	{op: "resolveConsumerProject", once: "there are none"},
	{op: "createClaim", once: "there are none"},
	{op: "createCLISession", open: "it is refused to everybody", once: "it is refused to everybody"},
	{op: "getCLISession", open: "it is refused to everybody", once: "it is refused to everybody"},
	{op: "reportCLIFailure", query: "for={my.tag}", body: `{}`, shows: `"tracked":false`},

	// Auth configs.
	{op: "createAuthConfig", body: `{"toolkit":{"slug":"confluence"},"auth_config":{"name":"one more of {my.tag}"}}`, shows: `"auth_config"`},
	{op: "listAuthConfigs", shows: "{config}"},
	{op: "getAuthConfig", at: "{config}", shows: "{config_name}"},
	{op: "updateAuthConfig", at: "{new.config}", body: `{"type":"custom","name":"renamed"}`, shows: `"success":true`},
	{op: "enableAuthConfig", at: "{new.config}/DISABLED", shows: `"success":true`},
	{op: "deleteAuthConfig", at: "{new.config}", shows: `"success":true`},

	// Connected accounts.
	{op: "listAccounts", shows: "{account}"},
	{op: "listAccounts", about: "by user", query: "user_ids={my.user}", shows: "{account}"},
	{op: "listAccounts", about: "by id", query: "connected_account_ids={account},{other},{pending}", shows: "{pending}", answers: emptyList},
	{op: "listAccounts", about: "by auth config", query: "auth_config_ids={config}", shows: "{account}", answers: emptyList},
	{op: "listAccounts", about: "of others", query: "user_ids={my.user}&connected_account_ids={account}", shows: "{account}", answers: emptyList},
	{op: "getAccount", at: "{account}", shows: "{email}"},
	{op: "getAccount", about: "unfinished", at: "{pending}", shows: "{pending}"},
	{op: "createAccount", body: `{"auth_config":{"id":"{config}"},"connection":{"user_id":"{user}"}}`, shows: "INITIATED"},
	{op: "linkAccount", body: `{"auth_config_id":"{config}","user_id":"{user}"}`, shows: `"link_token"`},
	{op: "updateAccount", at: "{new.account}", body: `{"alias":""}`, shows: "ACTIVE"},
	{op: "enableAccount", at: "{new.account}", body: `{"enabled":false}`, shows: "true"},
	{op: "refreshAccount", at: "{account}", body: `{"validate_credentials":true}`, shows: "{account}"},
	{op: "revokeAccount", at: "{new.consented}", shows: "REVOKED"},
	{op: "listAccountEvents", query: "connected_account_id={account}", public: "the account has no events: a filter by it finds as little as one by a wrong one"},
	{op: "setBranding", query: "for={my.tag}", body: `{"name":"the project's brand"}`, shows: "the project's brand"},
	{op: "setTriggerBounds", query: "for={my.tag}", body: `{"min_interval_seconds":0}`, public: "numbers alone"},
	{op: "getTriggerBounds", query: "for={my.tag}", public: "numbers alone"},
	{op: "getBranding", query: "for={my.tag}", shows: "the project's brand"},
	{op: "beginConsent", body: `{"link_token":"{new.consentlink}"}`, shows: `"authorize_url"`},
	{op: "answerConsent", body: `{{new.answer}}`, shows: `"connected"`},
	{op: "finishConsent", body: `{{new.question}}`, shows: `"connected"`},
	{op: "createConnectCode", body: `{"link_token":"{new.consentlink}"}`, shows: `/connect`},
	{op: "deleteAccount", at: "{new.account}", shows: "true"},

	// Triggers.
	{op: "listTriggerTypes", public: catalogue},
	{op: "listTriggerSlugs", public: catalogue},
	{op: "getTriggerType", at: "CONFLUENCE_PAGE_CREATED_TRIGGER", public: catalogue},
	{op: "upsertTrigger", at: "CONFLUENCE_PAGE_CREATED_TRIGGER", body: `{"user_id":"{my.user}"}`, shows: `"trigger_id"`},
	{op: "upsertTrigger", about: "account", at: "CONFLUENCE_PAGE_CREATED_TRIGGER", body: `{"connected_account_id":"{account}"}`, shows: `"trigger_id"`},
	{op: "upsertTrigger", about: "account of another user", at: "CONFLUENCE_PAGE_CREATED_TRIGGER", body: `{"user_id":"{my.user}","connected_account_id":"{account}"}`, shows: `"trigger_id"`},
	{op: "listTriggers", query: "show_disabled=true", shows: "{trigger}"},
	{op: "listTriggers", about: "by user", query: "user_ids={my.user}&show_disabled=true", shows: "{trigger}"},
	{op: "listTriggers", about: "by id", query: "trigger_ids={trigger}&show_disabled=true", shows: "{trigger}", answers: emptyList},
	{op: "listTriggers", about: "by account", query: "connected_account_ids={account}&show_disabled=true", shows: "{trigger}", answers: emptyList},
	{op: "listTriggers", about: "of others", query: "user_ids={my.user}&trigger_ids={trigger}&show_disabled=true", shows: "{trigger}", answers: emptyList},
	{op: "manageTrigger", at: "{new.trigger}", body: `{"status":"disable"}`, shows: "success"},
	{op: "deleteTrigger", at: "{new.trigger}", shows: "{new.trigger}"},
	{op: "testTrigger", body: `{"trigger":"{trigger}"}`, shows: "{trigger}"},
	{op: "testTrigger", about: "type", body: `{"trigger":"CONFLUENCE_PAGE_CREATED_TRIGGER","user_id":"{my.user}"}`, shows: `"test":true`},

	// Tools.
	{op: "listToolkits", public: catalogue},
	{op: "getToolkit", at: "confluence", public: catalogue},
	{op: "listCategories", public: catalogue},
	{op: "findToolkits", body: `{"toolkits":["confluence"]}`, public: catalogue},
	{op: "listToolkitChanges", public: catalogue},
	{op: "listRequiredScopes", body: `{"tools":["CONFLUENCE_GET_PAGES"]}`, public: catalogue},
	{op: "listTools", public: catalogue},
	{op: "getTool", at: "CONFLUENCE_GET_PAGES", public: catalogue},
	{op: "listToolSlugs", public: catalogue},
	{op: "executeTool", at: "CONFLUENCE_GET_CURRENT_USER", body: `{"user_id":"{my.user}","arguments":{}}`, shows: "{email}"},
	{op: "executeTool", about: "text", at: "CONFLUENCE_GET_CURRENT_USER", body: `{"user_id":"{my.user}","text":"who am I?"}`, shows: "{email}"},
	{op: "executeTool", about: "text and account", at: "CONFLUENCE_GET_CURRENT_USER", body: `{"connected_account_id":"{account}","text":"who am I?"}`, shows: "{email}"},
	{op: "phraseToolInput", at: "CONFLUENCE_GET_CURRENT_USER", body: `{"text":"who am I?"}`, public: "it is made of the tool and the text alone"},
	{op: "executeTool", about: "account", at: "CONFLUENCE_GET_CURRENT_USER", body: `{"connected_account_id":"{account}","arguments":{}}`, shows: "{email}"},
	{op: "executeTool", about: "account of another user", at: "CONFLUENCE_GET_CURRENT_USER", body: `{"user_id":"{my.user}","connected_account_id":"{account}","arguments":{}}`, shows: "{email}"},
	{op: "executeTool", about: "file", at: "PAPER_READ", body: `{"user_id":"{user}","arguments":{"file":{"name":"x","mimetype":"text/plain","s3key":"{made}"}}}`, shows: "content of {tag}", answers: failedCall},

	{op: "executeProxy", body: `{"connected_account_id":"{account}","endpoint":"/wiki/rest/api/user/current","method":"GET"}`, shows: "{email}"},

	// Files.
	{op: "requestFileUpload", body: `{"toolkit_slug":"paper","tool_slug":"PAPER_READ","filename":"more-{my.tag}.txt","mimetype":"text/plain","md5":""}`, shows: `"key"`},
	{op: "listFiles", query: "limit=50", shows: "in-{tag}.txt"},

	// Events and where they go: the project's.
	{op: "createWebhookSubscription", body: `{"webhook_url":"https://app.example/{my.tag}","enabled_events":["composio.trigger.message"]}`, once: "a project has one, which it has already"},
	{op: "listWebhookSubscriptions", shows: "{hook}"},
	{op: "getWebhookSubscription", at: "{hook}", shows: "{hook}"},
	{op: "updateWebhookSubscription", at: "{hook}", body: `{"ordered":true}`, shows: "{hook}"},
	{op: "rotateWebhookSecret", at: "{hook}", body: `{}`, shows: "{hook}"},
	{op: "deleteWebhookSubscription", at: "{hook}", once: "the other rows need it"},
	{op: "listWebhookEventTypes", public: catalogue},
	{op: "createWebhookEndpoint", body: `{"toolkit_slug":"confluence","client_id":"{config}"}`, shows: "{endpoint}", shared: true},
	{op: "listWebhookEndpoints", shows: "{endpoint}"},
	{op: "getWebhookEndpoint", at: "{endpoint}", shows: "{endpoint}"},
	{op: "replaceWebhookEndpoint", at: "{new.endpoint}", body: `{"data":{"secret":"chosen-by-the-project-0001"}}`, shows: "{new.endpoint}"},
	{op: "updateWebhookEndpoint", at: "{new.endpoint}", body: `{"data":{"secret":"chosen-by-the-project-0002"}}`, shows: "{new.endpoint}"},
	{op: "rotateWebhookEndpointSecret", at: "{new.endpoint}", body: `{}`, shows: "{new.endpoint}"},
	{op: "deleteWebhookEndpoint", at: "{new.endpoint}", shows: "true"},
	{op: "listEvents", shows: "{event}"},
	{op: "listEvents", about: "by source", query: "source={account}", shows: "{event}", answers: emptyList},
	{op: "streamEvents", query: "after=0&follow=false", shows: "{event}"},
	{op: "getRealtimeCredentials", query: "for={my.tag}", shows: `"project_id":"{my.project}"`},
	{op: "getCLIRealtimeCredentials", query: "for={my.tag}", shows: `"project_id":"{my.project}"`},
	{op: "authorizeRealtime", body: `{"socket_id":"1.2","channel_name":"private-{project}_triggers"}`, shows: `"auth"`},
	{op: "authorizeCLIRealtime", body: `{"socket_id":"1.2","channel_name":"private-cli-{project}"}`, shows: `"auth"`},
	{op: "getEvent", at: "{event}", shows: "{tag}"},
	{op: "replayEvent", at: "{event}", body: `{}`, shows: `"events":1`},
	{op: "replayEvents", body: `{"from":"2026-01-01T00:00:00Z"}`, shows: `"events":`},
	{op: "listDeliveries", shows: "{delivery}"},
	{op: "listDeliveries", about: "by event", query: "event_id={event}", shows: "{delivery}", answers: emptyList},
	{op: "getDelivery", at: "{delivery}", shows: "{delivery}"},

	// The log of calls, and what is counted of it. Lists are narrowed to calls that
	// succeeded: the record of a refused one quotes what its caller made up.
	{op: "searchLogs", body: `{"limit":500,"filters":[{"field":"user_id","operator":"==","value":"{my.user}"},{"field":"tool_slug","operator":"==","value":"CONFLUENCE_GET_CURRENT_USER"},{"field":"outcome","operator":"==","value":"ok"}]}`, shows: "{log}"},
	{op: "searchLogs", about: "by id", body: `{"filters":[{"field":"log_id","operator":"==","value":"{log}"}]}`, shows: "{log}", answers: emptyList},
	{op: "searchLogs", about: "by account", body: `{"limit":500,"filters":[{"field":"connected_account_id","operator":"==","value":"{account}"}]}`, shows: "{log}", answers: emptyList},
	{op: "getLog", at: "{log}", shows: "{account}"},
	{op: "searchActionLogs", body: `{"cursor":null,"limit":500,"search_params":[{"field":"entityId","operation":"==","value":"{my.user}"},{"field":"actionKey","operation":"==","value":"CONFLUENCE_GET_CURRENT_USER"},{"field":"outcome","operation":"==","value":"ok"}]}`, shows: "{log}"},
	{op: "searchActionLogs", about: "by id", body: `{"cursor":null,"search_params":[{"field":"id","operation":"==","value":"{log}"}]}`, shows: "{log}", answers: emptyList},
	{op: "getActionLog", at: "{log}", shows: "{account}"},
	{op: "listActionLogFields", public: catalogue},
	{op: "searchTriggerLogs", body: `{"limit":500,"include_payload":true}`, shows: "{event}"},
	{op: "searchTriggerLogs", about: "by account", body: `{"search_params":[{"field":"connected_account_id","operation":"==","value":"{account}"}]}`, shows: "{event}", answers: emptyList},
	{op: "getTriggerLog", at: "{event}", shows: "{account}"},
	{op: "exportLogs", query: "user_id={my.user}&tool_slug=CONFLUENCE_GET_CURRENT_USER&outcome=ok", shows: "{log}"},
	{op: "getUsageSummary", body: `{}`, public: "numbers alone"},
	{op: "getUsage", at: "sessions", body: `{"group_by":"session_id","limit":1000,"filters":{"user_id":["{my.user}"]}}`, shows: "{session}"},
	{op: "getUsage", about: "by account", at: "tool_calls", body: `{"group_by":"connected_account_id","limit":1000,"filters":{"user_id":["{my.user}"]}}`, shows: "{account}"},
}
