"""Agent frameworks work in Confluence with a session's tools: the SDK's providers for the OpenAI Agents SDK and for
LangChain, and Pydantic AI over the session's MCP URL and over its tools. The model is scripted; it searches, executes
what it found and answers. What it did is looked up on the site, and in the framework's own transcript."""

import asyncio
import json

import httpx
import pytest
from agents import Agent as OpenAIAgent
from agents import OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner
from composio import Composio
from composio_langchain import LangchainProvider
from composio_openai_agents import OpenAIAgentsProvider
from conftest import Router
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI
from pydantic_ai import Agent, Tool
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ToolReturnPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

import loopback
from model_server import EXECUTE, SEARCH, ModelServer

TASK = "Create a project documentation page in marketing space"
TITLE = "Project documentation"
STEPS = [SEARCH, EXECUTE, EXECUTE]  # find the tools, find the space, make the page


@pytest.fixture(autouse=True, scope="module")
def quiet():
    """No framework tells anybody what it does, and none leaves this machine."""
    with pytest.MonkeyPatch.context() as m:
        for name, value in {
            "OPENAI_AGENTS_DISABLE_TRACING": "1", "LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false",
            "COMPOSIO_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1",
        }.items():
            m.setenv(name, value)
        loopback.watch()
        yield
    assert loopback.LEFT == []


class Bench:
    """A router with its sandbox, a model, and the SDK with one provider."""

    def __init__(self, router, model):
        self.router, self.model = router, model

    def session(self, provider=None, **options):
        given = {"provider": provider} if provider else {}
        sdk = Composio(api_key=self.router.key, base_url=self.router.url, allow_tracking=False, **given)
        return sdk.create(user_id="user_123", toolkits=["confluence"], **options)

    def pages(self):
        """The pages of the site with the title that the task asks for."""
        found = httpx.get(
            self.router.sandbox_url + "/wiki/rest/api/content", params={"title": TITLE, "expand": "space,version,body.storage"},
            auth=(self.router.sandbox_user, self.router.sandbox_token),
        )
        return found.raise_for_status().json()["results"]

    def proves(self, answer, results):
        """The work was done, once, and the framework saw what came of each step."""
        (page,) = self.pages()
        assert (page["space"]["name"], page["version"]["number"]) == ("Marketing", 1)
        assert "Goals, owners and links" in page["body"]["storage"]["value"]
        assert [name for name, _ in self.model.calls] == STEPS
        assert answer.startswith(f'I created the page "{TITLE}": http')
        assert self.model.answers == [answer]

        results = [r if isinstance(r, dict) else json.loads(r) for r in results]
        assert [r["successful"] if "successful" in r else r["error"] is None for r in results] == [True] * len(STEPS)
        found, spaces, made = (r["data"] for r in results)
        assert "CONFLUENCE_CREATE_PAGE" in found["results"][1]["primary_tool_slugs"]
        assert "Marketing" in {s["name"] for s in spaces["results"][0]["response"]["data"]["results"]}
        assert made["results"][0]["response"]["data"]["id"] == page["id"]


@pytest.fixture
def bench(tmp_path):
    router = Router(tmp_path / "home", "--sandbox", "--log-level", "error")
    with ModelServer() as model:
        b = Bench(router, model)
        assert b.pages() == []
        yield b
    router.stop()


@pytest.mark.parametrize("model", [OpenAIResponsesModel, OpenAIChatCompletionsModel])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_openai_agents(bench, model, streamed):
    tools = bench.session(OpenAIAgentsProvider()).tools()
    agent = OpenAIAgent(name="Writer", tools=tools, model=model("scripted", AsyncOpenAI(api_key="sk-scripted", base_url=bench.model.url)))

    async def run():
        how = {"run_config": RunConfig(tracing_disabled=True)}
        if not streamed:
            return await Runner.run(agent, TASK, **how)
        result = Runner.run_streamed(agent, TASK, **how)
        async for _ in result.stream_events():
            pass
        return result

    done = asyncio.run(run())
    bench.proves(done.final_output, [i.output for i in done.new_items if i.type == "tool_call_output_item"])


def test_openai_agents_strict_schemas(bench):
    """Strict schemas demand every field: what the model leaves open is null, and is not passed on."""
    tools = bench.session(OpenAIAgentsProvider(strict=True)).tools()
    search = next(t for t in tools if t.name == SEARCH)
    assert set(search.params_json_schema["required"]) == set(search.params_json_schema["properties"])


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_langchain(bench, streamed):
    tools = bench.session(LangchainProvider()).tools()
    model = ChatOpenAI(model="scripted", api_key="sk-scripted", base_url=bench.model.url, streaming=streamed, max_retries=0)
    done = create_agent(model, tools).invoke({"messages": [{"role": "user", "content": TASK}]})
    bench.proves(done["messages"][-1].text, [m.content for m in done["messages"] if m.type == "tool"])


def pydantic_agent(bench, **tools):
    return Agent(OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=bench.model.url, api_key="sk-scripted")), **tools)


def returned(done):
    return [p.content for m in done.all_messages() for p in m.parts if isinstance(p, ToolReturnPart)]


def test_pydantic_ai_over_mcp(bench):
    session = bench.session(mcp=True)
    agent = pydantic_agent(bench, toolsets=[MCPToolset(session.mcp.url, headers=session.mcp.headers)])

    async def run():
        async with agent:
            return await agent.run(TASK)

    done = asyncio.run(run())
    bench.proves(done.output, returned(done))


def test_pydantic_ai_with_a_sessions_tools(bench):
    session = bench.session()

    def tool(described):
        f = described["function"]

        def call(**arguments):
            done = session.execute(f["name"], arguments=arguments)
            return {"data": done.data, "error": done.error}

        return Tool.from_schema(call, name=f["name"], description=f["description"], json_schema=f["parameters"])

    done = pydantic_agent(bench, tools=[tool(t) for t in session.tools()]).run_sync(TASK)
    bench.proves(done.output, returned(done))
