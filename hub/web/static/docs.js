// The API reference: reads /openapi.json and lays it out. No dependency, nothing loaded from elsewhere.

const document_ = await (await fetch("/openapi.json")).json();

/** Make an element with text or children inside. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Replace references by what they name, once: a reader wants to see the fields. */
function resolve(schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? document_.components.schemas[name] : schema;
}

function schemaBlock(title, media) {
  const schema = resolve(Object.values(media)[0].schema);
  return element("details", {}, element("summary", {}, title), element("pre", {}, JSON.stringify(schema, null, 2)));
}

function operationBlock(path, method, operation) {
  const block = element("article", { id: operation.operationId });
  block.append(
    element("h3", {}, element("span", { class: `method ${method}` }, method.toUpperCase()), ` ${path}`),
    element("p", {}, operation.summary),
  );
  const access = (operation.security ?? []).flatMap(Object.keys);
  if (access.length) block.append(element("p", { class: "access" }, `credentials: ${access.join(" or ")}`));
  for (const parameter of operation.parameters ?? []) {
    const text = `${parameter.name} (${parameter.in}) ${parameter.description ?? parameter.schema.description ?? ""}`;
    block.append(element("p", { class: "parameter" }, text));
  }
  if (operation.requestBody) block.append(schemaBlock("request body", operation.requestBody.content));
  for (const [status, answer] of Object.entries(operation.responses)) {
    const title = `${status} ${answer.description}`;
    block.append(answer.content ? schemaBlock(title, answer.content) : element("p", { class: "answer" }, title));
  }
  return block;
}

const sections = new Map();
for (const [path, methods] of Object.entries(document_.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const tag = operation.tags[0];
    if (!sections.has(tag)) sections.set(tag, element("section", {}, element("h2", {}, tag)));
    sections.get(tag).append(operationBlock(path, method, operation));
  }
}
document.getElementById("summary").textContent = `${document_.info.summary} Version ${document_.info.version}.`;
document.getElementById("operations").replaceChildren(...sections.values());
