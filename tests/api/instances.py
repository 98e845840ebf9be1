"""A Hypothesis strategy from a JSON schema, as far as the hub's own document uses them."""

from hypothesis import strategies as st

TIMES = ("2999-01-01T00:00:00Z", "2500-06-30T23:59:59.999999+05:30", "2100-01-01T00:00:00.5-08:00")
TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
LONGEST = 300  # where a schema has no bound of its own


def instances(schema, components, leave_out=()):
    """Draw what a schema allows; `leave_out` names fields of objects that are never drawn."""

    def draw(part):
        return instances(part, components, leave_out)

    if "$ref" in schema:
        return st.deferred(lambda: draw(components[schema["$ref"].rpartition("/")[2]]))
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of([draw(choice) for choice in choices])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    match schema.get("type"):
        case "string":
            return _texts(schema)
        case "integer":
            return st.integers(schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1))
        case "number":
            return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array":
            most = min(schema.get("maxItems", 5), 5)
            return st.lists(draw(schema["items"]), min_size=schema.get("minItems", 0), max_size=most)
        case "object":
            return _objects(schema, draw, leave_out)
        case _:
            return _any_json()


def _texts(schema):
    if schema.get("format") == "date-time":
        return st.sampled_from(TIMES)
    least, most = schema.get("minLength", 0), min(schema.get("maxLength", LONGEST), LONGEST)
    pattern = schema.get("pattern")
    if pattern is None:
        return st.text(TEXT, min_size=least, max_size=most)
    inner = pattern.removeprefix("^").removesuffix("$")
    return st.from_regex(inner, fullmatch=True, alphabet=TEXT).filter(lambda text: least <= len(text) <= most)


def _objects(schema, draw, leave_out):
    properties, required = schema.get("properties", {}), schema.get("required", [])
    known = {name: draw(part) for name, part in properties.items() if name not in leave_out}
    always = {name: values for name, values in known.items() if name in required}
    objects = st.fixed_dictionaries(always, optional={n: v for n, v in known.items() if n not in required})
    if isinstance(more := schema.get("additionalProperties"), dict):
        names = _texts(schema["propertyNames"]) if "propertyNames" in schema else st.text(TEXT, max_size=10)
        others = st.dictionaries(names, draw(more), max_size=3)
        return st.builds(lambda extra, named: {**extra, **named}, others, objects)
    return objects


def _any_json():
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(TEXT, max_size=20)
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT, max_size=5), inner, max_size=3),
        max_leaves=5,
    )
