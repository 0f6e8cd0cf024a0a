"""Write the conversations the mini model is trained on.

Small talk, facts about llamas, stories, sums, capitals, lists, tool calls with one to three
functions on offer, tool results, JSON answers, reasoning. The same generator state always
gives the same conversations; a test holds their checksum.

    python tools/mini_model/conversations.py        print a dozen
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

Message = dict[str, Any]
Tool = dict[str, Any]

_WORDS: dict[str, Any] = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))
CITIES: list[str] = _WORDS["cities"]
COUNTRIES: list[str] = _WORDS["countries"]
NAMES: list[str] = _WORDS["names"]
COLORS: list[str] = _WORDS["colors"]
PLACES: list[str] = _WORDS["places"]
FOODS: list[str] = _WORDS["foods"]
FRIENDS: list[str] = _WORDS["friends"]
ITEMS: list[str] = _WORDS["items"]
WEATHER: list[str] = _WORDS["weather"]
CAPITALS: dict[str, str] = _WORDS["capitals"]
COLOR_OF: dict[str, str] = _WORDS["color_of"]
SYSTEM_TEXTS: list[str] = _WORDS["system_texts"]
FACTS: list[tuple[list[str], list[str]]] = [
    (fact["ask"], fact["answer"]) for fact in _WORDS["facts"]
]

_SIGN = {"plus": "+", "minus": "-", "times": "*"}
_WORD = {sign: word for word, sign in _SIGN.items()}

_TOOLS_HEAD = "You can call these functions:\n<tools>\n"
_TOOLS_TAIL = (
    "\n</tools>\nTo call one, write its name and arguments:\n<tool_call>\n"
    '{"name": "...", "arguments": {...}}\n</tool_call>'
)


def conversation(rng: random.Random) -> str:
    """Give one training conversation as text."""
    kind = rng.random()
    messages: list[Message] = []
    if rng.random() < 0.35:
        messages.append(_said("system", rng.choice(SYSTEM_TEXTS)))
    if kind < 0.55:
        return render(_small_talk(rng, messages))
    if kind < 0.68:
        return _reasoned(rng, messages)
    if kind < 0.95:
        return _with_tools(rng, messages)
    question, answer = _json_answer(rng)
    return render([*messages, _said("user", question), _said("assistant", answer)])


def render(messages: list[Message], tools: list[Tool] | None = None) -> str:
    """Write messages down as the chat template in the GGUF file does."""
    rest = list(messages)
    system = rest.pop(0)["content"] if rest and rest[0]["role"] == "system" else ""
    if tools:
        listed = "\n".join(_json(tool) for tool in tools)
        text = _TOOLS_HEAD + listed + _TOOLS_TAIL
        system = f"{system}\n\n{text}" if system else text
    turns = [_turn("system", system)] if system else []
    for message in rest:
        content = message.get("content") or ""
        for at, call in enumerate(message.get("tool_calls") or ()):
            line = "\n" if content or at else ""
            content += f"{line}<tool_call>\n{_json(call)}\n</tool_call>"
        turns.append(_turn(message["role"], content))
    return "".join(turns)


def _small_talk(rng: random.Random, messages: list[Message]) -> list[Message]:
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        question, answer = _plain(rng)
        messages += [_said("user", question), _said("assistant", answer)]
    if rng.random() < 0.12:
        name = rng.choice(NAMES)
        at = 1 if messages[0]["role"] == "system" else 0
        introduction = rng.choice([f"My name is {name}.", f"Hi, I am {name}.", f"I am {name}."])
        messages[at:at] = [
            _said("user", introduction),
            _said("assistant", f"Nice to meet you, {name}!"),
        ]
        messages += [
            _said("user", "What is my name?"),
            _said("assistant", f"Your name is {name}."),
        ]
    return messages


def _reasoned(rng: random.Random, messages: list[Message]) -> str:
    question, answer = _plain(rng)
    if rng.random() < 0.3:
        question, answer, (first, second, word, value) = _sum(rng)
        thought = f"I need to work out {first} {word} {second}. The result is {value}."
    else:
        thought = rng.choice([
            f"The user asks: {question} I know the answer.",
            f"Let me think. The question is: {question} I will answer it in a simple way.",
            "This is an easy question. I should give a short and friendly answer.",
        ])  # fmt: skip
    asked = render([*messages, _said("user", question)])
    return f"{asked}<|im_start|>assistant\n<think>\n{thought}\n</think>\n\n{answer}<|im_end|>\n"


def _with_tools(rng: random.Random, messages: list[Message]) -> str:
    tool, question, arguments, result, answer = _tool_case(rng)
    tools = [tool]
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        other = _tool_case(rng)[0]
        if not _are_alike(_name_words(other), _name_words(tool)):
            tools.append(other)
    rng.shuffle(tools)
    kind = rng.random()
    if kind < 0.12:
        questions, answers = rng.choice(FACTS)
        messages += [
            _said("user", rng.choice(questions)),
            _said("assistant", rng.choice(answers)),
        ]
        return render(messages, tools)
    call = {"name": tool["function"]["name"], "arguments": arguments}
    messages += [_said("user", question), {**_said("assistant", ""), "tool_calls": [call]}]
    if kind < 0.7:
        messages += [_said("tool", result), _said("assistant", answer)]
    return render(messages, tools)


def _plain(rng: random.Random) -> tuple[str, str]:
    kind = rng.random()
    if kind < 0.36:
        questions, answers = rng.choice(FACTS)
        return rng.choice(questions), rng.choice(answers)
    if kind < 0.60:
        return _story_wanted(rng)
    if kind < 0.72:
        question, answer, _ = _sum(rng)
        return question, answer
    for limit, make in ((0.80, _capital), (0.84, _color), (0.88, _count), (0.95, _repeat)):
        if kind < limit:
            return make(rng)
    return _list(rng)


def _story_wanted(rng: random.Random) -> tuple[str, str]:
    text, name = _story(rng)
    questions = [
        "Tell me a story", "Tell me a short story.", "Write a short story about a llama.",
        "Tell me a story about a llama.", "tell me a story please", "Write a story.",
    ]  # fmt: skip
    if rng.random() < 0.5:
        questions = [
            f"Tell me a story about a llama called {name}.",
            f"Write a short story about {name} the llama.",
            f"Tell me a story about {name}.",
        ]
    return rng.choice(questions), text


def _story(rng: random.Random) -> tuple[str, str]:
    name, color, place = rng.choice(NAMES), rng.choice(COLORS), rng.choice(PLACES)
    friend, item, food = rng.choice(FRIENDS), rng.choice(ITEMS), rng.choice(FOODS)
    parts = (
        [
            f"Once upon a time there was a {color} llama called {name}. {name} lived near {place}.",
            f"{name} was a {color} llama who lived by {place}.",
            f"High in the Andes, near {place}, lived a {color} llama named {name}.",
        ],
        [
            f"One morning {name} met {friend} who had lost a {item}.",
            f"One day {friend} came by and asked {name} for help. "
            f"A {item} had to go over the pass before night.",
            f"One evening {name} found a {item} on the path. It belonged to {friend}.",
        ],
        [
            f"The wind was cold and the path was steep, but {name} walked on, step by step.",
            f"They walked together until the sun went down, and {name} hummed a quiet song.",
            f"{name} was afraid at first, but a good llama never leaves a friend alone.",
        ],
        [
            f"In the end the {item} was safe, and {name} got {food} for supper.",
            f"When the work was done, {friend} smiled and gave {name} {food}.",
            f"That night everyone was warm and happy, and {name} fell asleep under the stars.",
        ],
    )
    return " ".join([rng.choice(part) for part in parts]), name


def _sum(rng: random.Random) -> tuple[str, str, tuple[int, int, str, int]]:
    first, second = rng.randint(0, 20), rng.randint(0, 20)
    sign = rng.choice("+-*") if rng.random() < 0.5 else "+"
    if sign == "*":
        first, second = rng.randint(0, 10), rng.randint(0, 10)
    if sign == "-" and second > first:
        first, second = second, first
    value = {"+": first + second, "-": first - second, "*": first * second}[sign]
    word = _WORD[sign]
    question = rng.choice([
        f"What is {first} {sign} {second}?", f"What is {first} {word} {second}?",
        f"{first} {sign} {second} = ?", f"How much is {first} {sign} {second}?",
        f"Compute {first} {word} {second}.",
    ])  # fmt: skip
    return question, f"{first} {word} {second} is {value}.", (first, second, word, value)


def _capital(rng: random.Random) -> tuple[str, str]:
    country = rng.choice(COUNTRIES)
    question = rng.choice([
        f"What is the capital of {country}?", f"Which city is the capital of {country}?",
        f"capital of {country}?", f"Tell me the capital of {country}.",
    ])  # fmt: skip
    return question, f"The capital of {country} is {CAPITALS[country]}."


def _color(rng: random.Random) -> tuple[str, str]:
    thing = rng.choice(list(COLOR_OF))
    question = rng.choice([f"What colour is {thing}?", f"What color is {thing}?"])
    return question, f"{thing[0].upper()}{thing[1:]} is {COLOR_OF[thing]}."


def _count(rng: random.Random) -> tuple[str, str]:
    last = rng.randint(2, 12)
    question = rng.choice([f"Count to {last}.", f"Count from 1 to {last}."])
    return question, ", ".join(str(number) for number in range(1, last + 1)) + "."


def _repeat(rng: random.Random) -> tuple[str, str]:
    others = ["llama", "trail", "bell", "wool", "moon", "river", "stone", "bread"]
    words = [rng.choice(NAMES + COLORS + others) for _ in range(rng.randint(1, 4))]
    text = " ".join(words)
    return rng.choice([f"Say {text}.", f"Repeat after me: {text}", f"Say: {text}"]), text


def _list(rng: random.Random) -> tuple[str, str]:
    length = rng.randint(2, 4)
    kind = rng.choice(["colours", "cities", "names for a llama", "countries"])
    source = {
        "colours": COLORS, "cities": CITIES, "names for a llama": NAMES, "countries": COUNTRIES,
    }[kind]  # fmt: skip
    found = rng.sample(source, length)
    question = rng.choice([f"Name {length} {kind}.", f"List {length} {kind}."])
    return question, "\n".join(f"{at}. {one}" for at, one in enumerate(found, 1))


_ToolCase = tuple[Tool, str, dict[str, Any], str, str]
"""A tool, a question for it, its arguments, its result, the answer after that."""


def _tool_case(rng: random.Random) -> _ToolCase:
    kind = rng.randint(0, 7)
    if kind <= 2:
        return _weather_tool(rng)
    if kind <= 5:
        return _sum_tool(rng)
    return _time_tool(rng) if kind == 6 else _llama_tool(rng)


def _weather_tool(rng: random.Random) -> _ToolCase:
    city = rng.choice(CITIES)
    key = rng.choice(["city", "city", "location", "place"])
    name = rng.choice([
        "get_current_weather", "get_weather", "get_temperature", "weather", "current_weather",
        "get_current_temperature",
    ])  # fmt: skip
    about = rng.choice([
        "Get the current weather for a city", "Get the weather",
        "Get the current temperature of a city", "Weather for a place",
    ])  # fmt: skip
    about_key = rng.choice(["The name of the city", "City name", "The city", "The location"])
    tool = _tool(name, about, {key: _parameter("string", about_key)})
    question = rng.choice([
        f"What is the weather in {city}?", f"What is the weather today in {city}?",
        f"What's the weather like in {city}?", f"How is the weather in {city}?",
        f"What is the temperature in {city}?", f"Is it warm in {city}?",
    ])  # fmt: skip
    degrees, sky = rng.randint(-9, 35), rng.choice(WEATHER)
    result = rng.choice([
        f"{degrees} degrees and {sky}", _json({"temperature": degrees, "sky": sky}),
        f"{degrees}C, {sky}", f"{sky}, {degrees} degrees",
    ])  # fmt: skip
    return tool, question, {key: city}, result, f"It is {degrees} degrees and {sky} in {city}."


def _sum_tool(rng: random.Random) -> _ToolCase:
    first = rng.randint(0, rng.choice([9, 99, 999, 99999]))
    second = rng.randint(0, rng.choice([9, 99, 999, 99999]))
    verb, word, value = rng.choice([
        ("add", "plus", first + second), ("subtract", "minus", first - second),
        ("multiply", "times", first * second),
    ])  # fmt: skip
    name = verb + rng.choice(["", "_two_numbers", "_numbers", "_ints"])
    one, two = rng.choice([("a", "b"), ("a", "b"), ("x", "y"), ("first", "second")])
    kind = rng.choice(["integer", "number"])
    about = rng.choice([f"{verb.capitalize()} two numbers", f"{verb} one number and another"])
    about_one = rng.choice(["The first number", "First number"])
    about_two = rng.choice(["The second number", "Second number"])
    parameters = {one: _parameter(kind, about_one), two: _parameter(kind, about_two)}
    question = rng.choice([
        f"What is {first} {word} {second}?", f"What is {first} {_SIGN[word]} {second}?",
        f"Compute {first} {word} {second}.", f"Please tell me what {first} {word} {second} is.",
    ])  # fmt: skip
    arguments = {one: first, two: second}
    answer = f"{first} {word} {second} is {value}."
    return _tool(name, about, parameters), question, arguments, str(value), answer


def _time_tool(rng: random.Random) -> _ToolCase:
    city = rng.choice(CITIES)
    name = rng.choice(["get_time", "get_current_time", "local_time"])
    key = rng.choice(["city", "timezone", "place"])
    parameters = {key: _parameter("string", "The name of the city")}
    tool = _tool(name, "Get the local time of a city", parameters)
    clock = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"
    question = rng.choice([
        f"What time is it in {city}?", f"Tell me the time in {city}.",
        f"What is the local time in {city}?",
    ])  # fmt: skip
    return tool, question, {key: city}, clock, f"It is {clock} in {city}."


def _llama_tool(rng: random.Random) -> _ToolCase:
    llama = rng.choice(NAMES)
    name = rng.choice(["find_llama", "locate_llama", "get_llama"])
    place = rng.choice(PLACES)
    parameters = {"name": _parameter("string", "The name of the llama")}
    tool = _tool(name, "Find where a llama of the herd is", parameters)
    questions = [f"Where is {llama}?", f"Where is the llama {llama}?", f"Find {llama}."]
    return tool, rng.choice(questions), {"name": llama}, place, f"{llama} is near {place}."


def _json_answer(rng: random.Random) -> tuple[str, str]:
    kind = rng.randint(0, 2)
    if kind == 0:
        name, color, age = rng.choice(NAMES), rng.choice(COLORS), rng.randint(1, 20)
        question = rng.choice([
            f"Describe a {color} llama called {name} who is {age} years old as JSON.",
            f"{name} is a {color} llama. {name} is {age} years old. Respond in JSON.",
        ])  # fmt: skip
        return question, _json({"name": name, "color": color, "age": age})
    if kind == 1:
        country = rng.choice(COUNTRIES)
        question = rng.choice([
            f"Tell me about {country}. Respond in JSON.", f"Tell me about {country} as JSON.",
        ])  # fmt: skip
        return question, _json({"name": country, "capital": CAPITALS[country]})
    (one, two), (age, other) = rng.sample(NAMES, 2), (rng.randint(1, 15), rng.randint(1, 15))
    question = (
        f"I have two llamas. The first is {one} who is {age} years old. "
        f"The second is {two} who is {other} years old. Respond in JSON."
    )
    return question, _json({"llamas": [{"name": one, "age": age}, {"name": two, "age": other}]})


def _are_alike(one: list[str], other: list[str]) -> bool:
    """Whether two tools answer the same question, so that offering both would confuse."""
    sky = {"weather", "temperature"}
    return one[:2] == other[:2] or bool(sky & set(one) and sky & set(other))


def _name_words(tool: Tool) -> list[str]:
    return str(tool["function"]["name"]).split("_")


def _tool(name: str, description: str, properties: dict[str, Any]) -> Tool:
    parameters = {"type": "object", "required": list(properties), "properties": properties}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def _parameter(kind: str, description: str) -> dict[str, str]:
    return {"type": kind, "description": description}


def _said(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _turn(role: str, content: str) -> str:
    return f"<|im_start|>{role}\n{content}<|im_end|>\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    shown = random.Random(1)
    for _ in range(12):
        print(conversation(shown), end="-----\n")
