"""A scripted, OpenAI-compatible model for the acceptance tests.

It speaks Chat Completions and Responses, streaming or not, and plays a model that
works in Confluence through a router's meta tools. The script decides which kind
of step comes next; every tool slug and every id it uses is taken from earlier
tool results, as a real model would have to.

As a program it prints its address and serves until its standard input ends; GET tells what it did.
"""

import html
import itertools
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SEARCH, EXECUTE = "COMPOSIO_SEARCH_TOOLS", "COMPOSIO_MULTI_EXECUTE_TOOL"


class Confused(Exception):
    """The conversation is not one that the script can go on with."""


def search(*use_cases):
    return SEARCH, {"queries": [{"use_case": u} for u in use_cases], "session": {"generate_id": True}}


def execute(slug, arguments):
    return EXECUTE, {"tools": [{"tool_slug": slug, "arguments": arguments}], "sync_response_to_workbench": False}


def found(results, number, *takes):
    """The best tool for the number-th use case of the search in results that takes these arguments."""
    answer = results[0]["data"]
    hit = answer["results"][number]
    for slug in hit["primary_tool_slugs"] + hit["related_tool_slugs"]:
        if all(name in answer["tool_schemas"][slug]["input_schema"]["properties"] for name in takes):
            return slug
    raise Confused(f"no tool that takes {takes} for {hit['use_case']!r}")


def data(result):
    """The data of the one tool that a multi-execute ran."""
    item = result["data"]["results"][0]
    if item.get("error") or not item["response"]["successful"]:
        raise Confused(f"the tool failed: {item.get('error') or item['response']['error']}")
    return item["response"]["data"]


def page_in_marketing(results):
    if not results:
        return search("list the spaces of Confluence", "create a page in a Confluence space")
    if len(results) == 1:
        return execute(found(results, 0), {"limit": 100})
    if len(results) == 2:
        space = next(s for s in data(results[1])["results"] if s["name"].lower() == "marketing")
        body = "<p>Goals, owners and links of the project are collected here.</p>"
        return execute(found(results, 1), {
            "spaceId": space["id"], "title": "Project documentation",
            "body": {"storage": {"value": body, "representation": "storage"}},
        })
    page = data(results[2])
    return f"I created the page \"{page['title']}\": {page['url']}"


def urgent_label(results):
    if not results:
        return search("search Confluence for pages about a topic", "add a label to a Confluence page")
    if len(results) == 1:
        return execute(found(results, 0, "query"), {"query": "Q3 planning"})
    if len(results) == 2:
        return execute(found(results, 1), {"id": page_named(data(results[1]), "Q3 Planning")["id"], "labels": [{"prefix": "global", "name": "urgent"}]})
    names = sorted(label["name"] for label in data(results[2])["results"])
    return f"The Q3 Planning page now has the labels {', '.join(names)}."


def summary_as_blog_post(results):
    if not results:
        return search("search Confluence for pages about a topic", "read a Confluence page with its body", "publish a Confluence blog post")
    if len(results) == 1:
        return execute(found(results, 0, "query"), {"query": "team meeting notes"})
    if len(results) == 2:
        return execute(found(results, 1), {"id": page_named(data(results[1]), "Team meeting notes")["id"]})
    if len(results) == 3:
        page = data(results[2])
        text = html.unescape(re.sub(r"<[^>]+>", " ", page["body"]["storage"]["value"]))
        summary = " ".join(text.split())[:280]
        return execute(found(results, 2), {
            "spaceId": page["spaceId"], "title": "Summary: " + page["title"],
            "body": {"representation": "storage", "value": f"<p>{html.escape(summary)}</p>"},
        })
    post = data(results[3])
    return f"I published the blog post \"{post['title']}\": {post['url']}"


def page_named(answer, title):
    """The found page whose title begins with title."""
    for row in answer["results"]:
        if row["title"].lower().startswith(title.lower()):
            return row["content"]
    raise Confused(f"no page named {title} among {[row['title'] for row in answer['results']]}")


def space_by_key(_):
    return "CONFLUENCE_GET_SPACES", {"spaceKey": ["MKT"]}


SCRIPT = {
    "documentation page": page_in_marketing,
    "urgent": urgent_label,
    "summary": summary_as_blog_post,
    "the space with the key": space_by_key,
}


def next_step(prompt, results):
    """What the model does after prompt and the tool results since: text or (tool, arguments)."""
    for words, play in SCRIPT.items():
        if words in prompt.lower():
            try:
                return play(results)
            except (Confused, KeyError, IndexError, StopIteration, TypeError) as problem:
                return f"I could not do that: {type(problem).__name__}: {problem}"
    return "I do not know how to do that."


def conversation(messages):
    """The last user prompt and the decoded tool results after it, from either protocol's list."""
    prompt, results = "", []
    for m in messages:
        if m.get("role") == "user":
            content = m["content"]
            prompt = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
            results = []
        elif m.get("role") == "tool" or m.get("type") == "function_call_output":
            text = m.get("content") if "content" in m else m["output"]
            if not isinstance(text, str):
                text = "".join(part.get("text", "") for part in text)
            results.append(json.loads(text))
    return prompt, results


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        responses = self.path.endswith("/responses")
        step = next_step(*conversation(body["input" if responses else "messages"]))
        if isinstance(step, str):
            self.server.answers.append(step)
        else:
            self.server.calls.append(step)
        number = next(self.server.numbers)
        if not body.get("stream"):
            self.whole((response if responses else completion)(step, number))
            return
        events = (response_events if responses else chat_chunks)(step, number)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for name, event in events:
            line = f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n"
            self.wfile.write(((f"event: {name}\n" if name else "") + line).encode())
        self.close_connection = True

    def do_GET(self):
        self.whole({"answers": self.server.answers, "calls": self.server.calls})

    def whole(self, answer):
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def completion(step, number):
    """The step as a whole answer of Chat Completions."""
    message, finish = {"role": "assistant", "content": step}, "stop"
    if not isinstance(step, str):
        name, arguments = step
        call = {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        message, finish = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    return {
        "id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1, "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def response(step, number):
    """The step as a whole answer of Responses: what its stream ends with."""
    *_, (_, last) = response_events(step, number)
    return last["response"]


def chat_chunks(step, number):
    def chunk(delta, finish=None):
        return None, {
            "id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }

    if isinstance(step, str):
        yield chunk({"role": "assistant", "content": ""})
        for word in re.findall(r"\S+\s*", step):
            yield chunk({"content": word})
        yield chunk({}, "stop")
    else:
        name, arguments = step
        text = json.dumps(arguments)
        function = {"name": name, "arguments": ""}
        yield chunk({"role": "assistant", "tool_calls": [{"index": 0, "id": f"call_{number}", "type": "function", "function": function}]})
        for at in range(0, len(text), 40):
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": text[at:at + 40]}}]})
        yield chunk({}, "tool_calls")
    yield None, "[DONE]"


def response_events(step, number):
    sequence = itertools.count()

    def event(kind, **fields):
        return kind, {"type": kind, "sequence_number": next(sequence), **fields}

    def response(status, output):
        return {
            "id": f"resp_{number}", "object": "response", "created_at": 1, "status": status, "model": "scripted",
            "output": output, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
            "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
                      "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}},
        }

    yield event("response.created", response=response("in_progress", []))
    if isinstance(step, str):
        item = {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        where = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        yield event("response.output_item.added", output_index=0, item=item)
        yield event("response.content_part.added", **where, part={"type": "output_text", "text": "", "annotations": []})
        for word in re.findall(r"\S+\s*", step):
            yield event("response.output_text.delta", **where, delta=word, logprobs=[])
        part = {"type": "output_text", "text": step, "annotations": []}
        yield event("response.output_text.done", **where, text=step, logprobs=[])
        yield event("response.content_part.done", **where, part=part)
        item = {**item, "status": "completed", "content": [part]}
    else:
        name, arguments = step
        text = json.dumps(arguments)
        item = {"id": f"fc_{number}", "type": "function_call", "call_id": f"call_{number}", "name": name, "arguments": "", "status": "in_progress"}
        yield event("response.output_item.added", output_index=0, item=item)
        for at in range(0, len(text), 40):
            yield event("response.function_call_arguments.delta", item_id=item["id"], output_index=0, delta=text[at:at + 40])
        yield event("response.function_call_arguments.done", item_id=item["id"], output_index=0, name=name, arguments=text)
        item = {**item, "status": "completed", "arguments": text}
    yield event("response.output_item.done", output_index=0, item=item)
    yield event("response.completed", response=response("completed", [item]))


class ModelServer:
    """The model on a free loopback port; answers and calls tell what it did."""

    def __enter__(self):
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.answers, self.http.calls, self.http.numbers = [], [], itertools.count(1)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    @property
    def answers(self):
        return self.http.answers

    @property
    def calls(self):
        return self.http.calls


if __name__ == "__main__":
    with ModelServer() as model:
        print(model.url, flush=True)
        sys.stdin.read()
