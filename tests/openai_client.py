"""The real OpenAI SDK, pointed at a scripted LLM."""

from typing import Any

import openai

from grader.upstreams import FakeLLM

MESSAGES: Any = [{"role": "user", "content": "hi"}]


def sdk(llm: FakeLLM, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=llm.url, api_key="k", **options)


def ask(llm: FakeLLM, max_retries: int = 2, timeout: float = 5, **more: Any) -> Any:
    with sdk(llm, max_retries=max_retries, timeout=timeout) as client:
        return client.chat.completions.create(model="m", messages=MESSAGES, **more)
