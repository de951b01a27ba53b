// The interactive API page: reads openapi.json beside it, shows every operation, lets it be tried, and shows the curl
// line that does the same. Text only ever enters the page as text.
"use strict";

const METHODS = ["get", "post", "put", "delete"];

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node[key] = value;
  node.append(...children);
  return node;
}

function resolve(api, schema) {
  const name = schema && schema.$ref && schema.$ref.split("/").pop();
  return name ? api.components.schemas[name] : schema || {};
}

/** A document that fits a schema: required fields, and examples where there are any. */
function example(api, reference) {
  const schema = resolve(api, reference);
  if (schema.examples) return schema.examples[0];
  if (schema.enum) return schema.enum[0];
  if (schema.type === "object") {
    const wanted = (schema.required || []).map((key) => [key, example(api, schema.properties[key])]);
    return Object.fromEntries(wanted);
  }
  return { integer: 1, boolean: true, array: [] }[schema.type] ?? "";
}

function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.type === "array") return `list of ${kind(schema.items)}`;
  if (schema.type === "object" && schema.additionalProperties) return `map to ${kind(schema.additionalProperties)}`;
  return (schema.enum || [schema.type || "anything"]).join(", ");
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** What the form asks for: URL, fetch options, and the curl line. */
function request(base, path, method, form, bodyType) {
  const query = new URLSearchParams();
  const headers = {};
  let target = path;
  for (const input of form.querySelectorAll("[data-in]")) {
    const { name, value } = input;
    if (input.dataset.in === "path") {
      const encode = input.dataset.slashes ? (text) => text.split("/").map(encodeURIComponent).join("/") : encodeURIComponent;
      target = target.replace(`{${name}}`, encode(value));
    } else if (value !== "") {
      if (input.dataset.in === "query") query.set(name, value);
      else headers[name] = value;
    }
  }
  const token = document.getElementById("token").value;
  if (token) headers.Authorization = `Bearer ${token}`;
  const url = base + target + (query.size ? `?${query}` : "");
  const line = ["curl", "-X", method.toUpperCase(), quoted(url)];
  const options = { method: method.toUpperCase(), headers };
  const body = form.querySelector("[data-body]");
  if (body && bodyType === "application/json") {
    headers["Content-Type"] = bodyType;
    options.body = body.value;
  } else if (body) {
    options.body = new FormData();
    for (const file of body.files) {
      options.body.append("files", file, file.name);
      line.push("-F", quoted(`files=@${file.name}`));
    }
  }
  for (const [name, value] of Object.entries(headers)) line.push("-H", quoted(`${name}: ${value}`));
  if (typeof options.body === "string") line.push("-d", quoted(options.body));
  return { url, options, line: line.join(" ") };
}

async function show(answer, output) {
  const head = `${answer.status} ${answer.statusText}\n`;
  const type = answer.headers.get("content-type") || "";
  if (!/json|text/.test(type)) {
    output.textContent = `${head}${type}, ${answer.headers.get("content-length") ?? "?"} bytes (not shown)`;
    return;
  }
  const text = await answer.text();
  let pretty = text;
  try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
  output.textContent = head + (pretty.length > 200000 ? `${pretty.slice(0, 200000)}\n(cut off here)` : pretty);
}

function field(parameter) {
  const note = [kind(parameter.schema), parameter.required && "required"].filter(Boolean).join(", ");
  const input = element("input", { name: parameter.name, required: Boolean(parameter.required) });
  input.dataset.in = parameter.in;
  if (parameter.schema.format === "path") input.dataset.slashes = "yes";
  if (parameter.schema.default !== undefined) input.placeholder = String(parameter.schema.default);
  return element("label", {}, `${parameter.name} (${parameter.in}: ${note}) ${parameter.description || ""}`, input);
}

function operation(api, base, path, method, about) {
  const form = element("form", {});
  for (const parameter of about.parameters || []) form.append(field(parameter));
  const content = about.requestBody && about.requestBody.content;
  const bodyType = content && Object.keys(content)[0];
  if (bodyType === "application/json") {
    const body = element("textarea", { spellcheck: false });
    body.value = JSON.stringify(example(api, content[bodyType].schema), null, 2);
    body.dataset.body = "yes";
    form.append(element("label", {}, `Body (${kind(content[bodyType].schema)})`, body));
  } else if (bodyType) {
    const body = element("input", { type: "file", multiple: true });
    body.dataset.body = "yes";
    form.append(element("label", {}, "Files", body));
  }
  const line = element("pre", {});
  const output = element("pre", { hidden: true });
  const renew = () => { line.textContent = request(base, path, method, form, bodyType).line; };
  form.append(element("button", { type: "submit" }, "Try it"));
  form.addEventListener("input", renew);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    renew();
    output.hidden = false;
    output.textContent = "...";
    const { url, options } = request(base, path, method, form, bodyType);
    try { await show(await fetch(url, options), output); } catch (error) { output.textContent = String(error); }
  });
  const answers = Object.entries(about.responses).map(([status, response]) =>
    element("tr", {}, element("td", {}, element("code", {}, status)), element("td", {}, response.description)));
  const block = element("details", { id: about.operationId },
    element("summary", {}, element("span", { className: "method" }, method.toUpperCase()),
      element("code", {}, path), ` ${about.summary}`),
    element("p", {}, about.description || ""), form, line, output, element("table", {}, ...answers));
  block.addEventListener("toggle", renew);
  return block;
}

async function main() {
  const place = document.getElementById("operations");
  const answer = await fetch("openapi.json");
  const api = await answer.json();
  const base = new URL(".", location.href).href.replace(/\/$/, "");
  document.title = document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  document.getElementById("summary").textContent = api.info.summary;
  for (const tag of api.tags) {
    place.append(element("h2", {}, tag.name), element("p", {}, tag.description));
    for (const [path, methods] of Object.entries(api.paths)) {
      if (path.endsWith("/") && api.paths[path.slice(0, -1)]) continue; // the same, under its other name
      for (const method of METHODS.filter((name) => methods[name] && methods[name].tags.includes(tag.name))) {
        place.append(operation(api, base, path, method, methods[method]));
      }
    }
  }
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    const rows = Object.entries(schema.properties || {}).map(([key, value]) =>
      element("tr", {}, element("td", {}, element("code", {}, key)), element("td", {}, kind(value)),
        element("td", {}, value.description || value.title || "")));
    const body = rows.length ? element("table", {}, ...rows) : element("p", {}, kind(schema));
    document.getElementById("schemas").append(element("details", {}, element("summary", {}, name), body));
  }
}

main().catch((error) => { document.getElementById("operations").textContent = String(error); });
