"""The published JSON Schema of deployment files, made from the models. Called by the console script and by tests.

A file says less than a whole configuration: secrets and any other value may come from a layer above. And it says more:
`defaults`, `extends` and `environments` are gone once a configuration is resolved. So this is the models' schema, with
what a file may leave out not required, and with what only a file has.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from b2router.config import BackblazeConfig
from b2router.declaration import SCHEMA_KEY
from b2router.environments import ENVIRONMENT, ENVIRONMENTS
from b2router.inheritance import DEFAULTS, EXTENDS, OWN_KEYS

__all__ = ["BEYOND", "MAJOR", "NAME", "build", "text"]

MAJOR = 1
"""Grows when a file that was valid is no longer; then the schema before stays published beside the new one."""

NAME = f"b2router-{MAJOR}.schema.json"
"""File name of the schema, in `schemas/`."""

IDENTIFIER = f"https://b2router.example/schemas/{NAME}"
"""A name, not an address: nothing is fetched from there, and by RFC 2606 nobody can put anything there."""

BEYOND = {
    "missing": "after all layers, environments and inheritance, every profile has a `bucket`, and every delivery and "
    "`account_info` what its mode or kind needs",
    "unknown_key": "`defaults`, `extends` and `environments` result in no key that the delivery or `account_info` "
    "of that mode or kind does not have",
    "extends": "a profile extends profiles that exist, and not itself in a circle",
    "environment": "the environment that is picked is declared",
    "unknown_account": "`account` of a profile names one of `accounts`",
    "unknown_profile": "an alias in `storages` names a profile, and `readable_through` other profiles",
    "alias": "an alias is not the name of another profile",
    "overlapping_routes": "no route lies under the route of another profile",
    "public_delivery": "unsigned `cdn` and `direct` are for profiles with the permission `public` and without `owner`",
    "prefix_token": "the signer `native` is for profiles that do not decide about each file",
    "bunny": "what Bunny signs has no `=` in `base_url`, nor in a `location` that is part of the path",
    "leak": "no file is reachable through a profile that lets in more people: the isolation proof",
    "repeated_key": "a key stands only once in its object",
    "location": "a `location` has at most 1,024 bytes in UTF-8, and 250 between two slashes",
    "file_info": "`file_info` has keys that B2 takes, each once, values that fit where they become headers, and at "
    "most 7,000 bytes together, 2,048 with encryption or locks",
    "stored_as": "no rule of `stored_as` before it takes all its names",
    "expires": "`expires` is a time with its zone",
    "customer_key": "`sse_c` is for profiles with the delivery `proxy`",
    "locked": "with `retention` or `legal_hold`, `on_delete` is `hide`",
    "cache": "a rule of `cache` says one thing (`no_store` goes with nothing else, some policy there is), and no rule "
    "before it takes all its names",
    "match": "`match` is a pattern of names, with `**` alone between slashes",
    "path": "a template of `path` has `{bucket}` and `{location}` at most once, and no dot segments",
    "permission": "a dotted path and `perm:app.codename` are made of Python's identifiers",
    "web_address": "host and port of an address are well-formed, and addresses that are signed are https, but for this "
    "machine",
    "realm": "a realm with plain http is on this machine",
}
"""Kind of problem → the rule that JSON Schema cannot state, or not so that editors understand it. `b2router validate`
knows all of them."""

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, without what only OpenAPI knows and strict validators refuse."""

    schema_dialect = "https://json-schema.org/draft/2020-12/schema"

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Titles that repeat the key are noise in an editor."""
        return False

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """The choices beside the union: errors then name them instead of what the last one lacks."""
        union = super().tagged_union_schema(schema)
        tag = union.pop("discriminator", {}).get("propertyName")
        if tag is not None:
            choices = sorted(str(choice) for choice in schema["choices"])
            union |= {"type": "object", "properties": {tag: {"enum": choices}}}
        return union

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Keys of another form are errors, where pydantic's own output lets them through."""
        found = super().dict_schema(schema)
        for pattern, value in found.pop("patternProperties", {}).items():
            found["propertyNames"] = {"type": "string", "pattern": pattern, **found.get("propertyNames", {})}
            found["additionalProperties"] = value
        return found

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A model's name says nothing to somebody who writes a file."""
        found = super().model_schema(schema)
        found.pop("title", None)
        return found


def build() -> Schema:
    """The schema, as nested dicts."""
    mode: JsonSchemaMode = "validation"
    whole: Schema = _tidy(BackblazeConfig.model_json_schema(schema_generator=_Generator, mode=mode))
    top, definitions = whole["properties"], whole["$defs"]
    del definitions["Account"]["required"], definitions["BucketProfile"]["required"]
    definitions["CdnSigning"]["required"] = ["scheme"]
    _let_deliveries_refine(definitions)
    profile = definitions["BucketProfile"]
    profile["properties"] = {EXTENDS: _extends(), **profile["properties"]}
    definitions["Defaults"] = _defaults(profile)
    environment = _environment(top, definitions)
    return {
        SCHEMA_KEY: _Generator.schema_dialect,
        "$id": IDENTIFIER,
        "title": "b2router deployment file",
        "description": whole["description"],
        "type": "object",
        "properties": {
            SCHEMA_KEY: {"description": "Address of this schema, for editors."},
            **top,
            DEFAULTS: {**_ref("Defaults"), "description": "Values for every profile that does not say otherwise."},
            ENVIRONMENT: {
                "type": ["string", "null"],
                "description": "Which of `environments` is in force, unless BACKBLAZE_ENVIRONMENT says otherwise.",
            },
            ENVIRONMENTS: {
                "type": "object",
                "description": "What is different there, by name, such as staging; BACKBLAZE_ENVIRONMENT picks one.",
                "additionalProperties": environment,
            },
        },
        "required": ["profiles"],
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The schema as it is published."""
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _tidy(schema: Any) -> Any:
    """Without formats that no validator knows, and with descriptions on one line."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidy(part) for key, part in schema.items() if (key, part) != ("format", "password")}
    if isinstance(tidy.get("description"), str):
        tidy["description"] = " ".join(tidy["description"].split())
    return tidy


def _extends() -> Schema:
    name = {"type": "string"}
    return {
        "description": "Another profile, or several, whose values this one takes over; never their route.",
        "anyOf": [name, {"type": "array", "items": name}, {"type": "null"}],
    }


def _defaults(profile: Schema) -> Schema:
    shared = {key: part for key, part in profile["properties"].items() if key not in OWN_KEYS}
    return {**profile, "description": "What profiles have in common.", "properties": shared}


def _let_deliveries_refine(definitions: Schema) -> None:
    """A delivery that names its mode is whole; one that does not changes the inherited one, or is the site's own."""
    place = definitions["BucketProfile"]["properties"]["delivery"]
    union = {key: place.pop(key) for key in ("oneOf", "type", "properties")}
    description = place["description"]
    definitions["Delivery"] = {"description": description, **union}
    definitions["CdnSigningOverlay"] = _partial(definitions["CdnSigning"], "Changes to how addresses are signed.")
    changes = _changes(union, definitions)
    changes["signing"]["anyOf"] = [_ref("CdnSigningOverlay"), {"type": "null"}]
    definitions["DeliveryOverlay"] = _object(f"{description} The mode may stay as it is.", changes)
    without_mode = {key: part for key, part in changes.items() if key != "mode"}
    definitions["DeliveryRefinement"] = _object("Changes to the inherited delivery; its mode stays.", without_mode)
    place["if"] = {"type": "object", "properties": {"mode": True}, "required": ["mode"]}
    place |= {"then": _ref("Delivery"), "else": _ref("DeliveryRefinement")}


def _environment(top: Schema, definitions: Schema) -> Schema:
    """What an environment may hold: anything, with nothing required, since it is laid over what is there."""
    for name in ("BucketProfile", "Defaults"):
        overlay = _partial(definitions[name], definitions[name]["description"])
        overlay["properties"]["delivery"] = _ref("DeliveryOverlay")
        definitions[f"{name}Overlay"] = overlay
    changed = _partial({"properties": top}, "What is different in this environment.")
    keys = changed["properties"]
    del keys["profiles"]["minProperties"]
    keys["profiles"]["additionalProperties"] = _ref("BucketProfileOverlay")
    keys["account_info"] = _object(top["account_info"]["description"], _changes(top["account_info"], definitions))
    keys[DEFAULTS] = _ref("DefaultsOverlay")
    return changed


def _changes(union: Schema, definitions: Schema) -> Schema:
    """The keys of all members of a union, each as one or another member has it; none is required."""
    variants: dict[str, list[Schema]] = {}
    for member in union["oneOf"]:
        for key, part in definitions[member["$ref"].rpartition("/")[2]]["properties"].items():
            bare = {word: value for word, value in part.items() if word not in ("default", "description")}
            seen = variants.setdefault(key, [])
            if bare not in [{word: value for word, value in one.items() if word != "description"} for one in seen]:
                seen.append({word: value for word, value in part.items() if word != "default"})
    changes: Schema = {
        key: parts[0] if len(parts) == 1 else {"description": parts[0]["description"], "anyOf": parts}
        for key, parts in variants.items()
    }
    changes |= union["properties"]
    return changes


def _partial(schema: Schema, description: str) -> Schema:
    """An object of which every key may be left out, and then means what it meant before."""
    kept = {
        key: {word: value for word, value in part.items() if word != "default"}
        for key, part in schema["properties"].items()
    }
    return _object(description, kept)


def _object(description: str, properties: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "additionalProperties": False,
    }
