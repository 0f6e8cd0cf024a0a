// What a JavaScript program does with the official package; prints what it got as one JSON value.
// Usage: NODE_PATH=<folder with the package> node calls.cjs <address of the server>

const { Ollama } = require("ollama");

const client = new Ollama({ host: process.argv[2] });
const hello = [{ role: "user", content: "Hello" }];
const fixed = { temperature: 0, seed: 1 };
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Get the current weather for a city",
    parameters: {
      type: "object",
      required: ["city"],
      properties: { city: { type: "string", description: "The name of the city" } },
    },
  },
};

async function all(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

const calls = {
  chat: () => client.chat({ model: "mini", messages: hello, options: fixed }),

  chatStream: async () =>
    all(await client.chat({ model: "mini", messages: hello, options: fixed, stream: true })),

  thinking: async () =>
    all(
      await client.chat({
        model: "mini-think",
        messages: [{ role: "user", content: "What is 2 plus 2?" }],
        options: fixed,
        think: true,
        stream: true,
      }),
    ),

  tools: async () => {
    const messages = [{ role: "user", content: "What is the weather in Lisbon?" }];
    const first = await client.chat({ model: "mini", messages, options: fixed, tools: [weather] });
    const call = first.message.tool_calls[0];
    messages.push(first.message);
    messages.push({ role: "tool", content: "sunny, 24 degrees", tool_name: call.function.name });
    const second = await client.chat({ model: "mini", messages, options: fixed, tools: [weather] });
    return { call, answer: second.message.content };
  },

  toolsStream: async () =>
    all(
      await client.chat({
        model: "mini",
        messages: [{ role: "user", content: "What is the weather in Lisbon?" }],
        options: fixed,
        tools: [weather],
        stream: true,
      }),
    ),

  structured: async () => {
    const format = {
      type: "object",
      required: ["name", "capital"],
      properties: { name: { type: "string" }, capital: { type: "string" } },
    };
    const messages = [{ role: "user", content: "Tell me about Canada. Respond in JSON." }];
    const answer = await client.chat({ model: "mini", messages, format, options: fixed });
    return JSON.parse(answer.message.content);
  },

  generate: () => client.generate({ model: "mini", prompt: "Hello", options: fixed }),

  generateStream: async () =>
    all(await client.generate({ model: "mini", prompt: "Hello", options: fixed, stream: true })),

  logprobs: () =>
    client.generate({
      model: "mini",
      prompt: "Hello",
      options: { ...fixed, num_predict: 3 },
      logprobs: true,
      top_logprobs: 2,
    }),

  embed: () => client.embed({ model: "mini-embed", input: ["What do llamas eat?", "Hello"] }),

  embedCut: () => client.embed({ model: "mini-embed", input: "Hello", dimensions: 8 }),

  embeddings: () => client.embeddings({ model: "mini-embed", prompt: "Hello" }),

  manage: async () => {
    const progress = await all(
      await client.create({
        model: "javascript",
        from: "mini",
        system: "Answer in five words.",
        parameters: { num_predict: 8 },
        stream: true,
      }),
    );
    const copied = await client.copy({ source: "javascript", destination: "javascript:copy" });
    const shown = await client.show({ model: "javascript:copy" });
    const names = (await client.list()).models.map((model) => model.name);
    const answer = await client.chat({ model: "javascript:copy", messages: hello, options: fixed });
    const loaded = (await client.ps()).models.map((model) => model.name);
    await client.delete({ model: "javascript:copy" });
    await client.delete({ model: "javascript" });
    const left = (await client.list()).models.map((model) => model.name);
    return { progress, copied, shown, names, answer, loaded, left };
  },

  version: () => client.version(),

  unknownModel: () => client.chat({ model: "nope", messages: hello }),

  unknownModelStream: async () =>
    all(await client.chat({ model: "nope", messages: hello, stream: true })),

  aborted: async () => {
    const stream = await client.generate({
      model: "mini",
      prompt: "Tell me a story.",
      options: { ...fixed, num_predict: 2000 },
      stream: true,
    });
    let seen = 0;
    for await (const part of stream) {
      seen += 1;
      if (seen === 3) stream.abort();
    }
    return seen;
  },
};

async function main() {
  const outcomes = {};
  for (const [name, call] of Object.entries(calls)) {
    try {
      outcomes[name] = { value: await call() };
    } catch (error) {
      outcomes[name] = { error: error.name, text: error.message, status: error.status_code };
    }
  }
  console.log(JSON.stringify(outcomes));
}

main();
