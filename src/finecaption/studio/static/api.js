// Requests to the studio's own server; nothing else is ever asked.
const BASE = "/studio-api";
let session = "";

export const setSession = (key) => { session = key; };

async function failure(answer) {
  let message = `the server answered ${answer.status}`, code = null;
  try {
    const told = (await answer.json()).error;
    message = told.message || message;
    code = told.code;
  } catch { /* not JSON: the status has to do */ }
  const error = new Error(message);
  error.code = code;
  return error;
}

async function ask(path, options = {}) {
  const headers = { "x-studio-session": session, ...(options.headers || {}) };
  let answer;
  try {
    answer = await fetch(BASE + path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the studio's server does not answer; is it still running?");
  }
  if (!answer.ok) throw await failure(answer);
  return answer;
}

export const getJson = async (path) => (await ask(path)).json();
export const getBlob = async (path) => (await ask(path)).blob();
export const remove = async (path) => (await ask(path, { method: "DELETE" })).json();
export const postBytes = async (path, body, headers = {}) =>
  (await ask(path, { method: "POST", body, headers })).json();
export const post = async (path, value) =>
  (await ask(path, { method: "POST", body: JSON.stringify(value), headers: { "content-type": "application/json" } })).json();

// Lines of JSON as they come; onLine is called with each.
export async function stream(path, value, onLine, signal) {
  const answer = await ask(path, {
    method: "POST", body: JSON.stringify(value), signal,
    headers: { "content-type": "application/json" },
  });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value: part, done } = await reader.read();
    if (done) break;
    rest += part;
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line) continue;
      const news = JSON.parse(line);
      if (news.error) throw new Error(news.error.message);
      onLine(news);
    }
  }
}
