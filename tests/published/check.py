"""Checks answers of open data by published schemas and by checkers that we did not write.

Reads a JSON list of {"format", "what", "body"} and prints a JSON list of what is wrong, empty where nothing is.
"""

import csv
import io
import json
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote

import geojson_validator
import jsonschema
import yaml
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4, DRAFT7, DRAFT202012

HERE = Path(__file__).resolve().parent


def told(errors, what):
    return [f"{what}: /{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in errors]


def read(path):
    return json.loads((HERE / path).read_text())


def cds_registry():
    def retrieve(uri):
        path = Path(unquote(uri.removeprefix("file://")))
        # Published with one level of nesting too few, so that no polygon at all passes; the text of the
        # specification cites RFC 7946, whose schema this is.
        shapes = {"geoJSON_polygon.yaml": "Polygon", "geoJSON_point.yaml": "Point"}
        if path.name in shapes:
            shape = read(f"geojson/{shapes[path.name]}.json")
            shape.pop("$id", None)
            shape.pop("$schema", None)
            return Resource(shape, DRAFT202012)
        if path.name == "geoJSON_linestring.yaml":
            return Resource({"not": {}}, DRAFT202012)
        return Resource(yaml.safe_load(path.read_text()), DRAFT202012)

    return Registry(retrieve=retrieve)


def cds_schema(pointer):
    file, fragment = pointer
    uri = "file://" + quote(str(HERE / "cds-1.1" / file)) + fragment
    kind = jsonschema.Draft202012Validator
    return kind({"$ref": uri}, registry=cds_registry(), format_checker=kind.FORMAT_CHECKER)


def cds(what, body):
    api = "Events" if what in ("events", "status") else "Curbs"
    path = "~1events~1" if api == "Events" else "~1curbs~1"
    fragment = f"#/paths/{path}{what}/get/responses/200/content/"
    file = f"APIs/{api} API.yaml"
    content = yaml.safe_load((HERE / "cds-1.1" / file).read_text())
    media = next(iter(content["paths"][path.replace("~1", "/") + what]["get"]["responses"]["200"]["content"]))
    schema = cds_schema((file, fragment + quote(media.replace("/", "~1")) + "/schema"))
    value = json.loads(body)
    wrong = told(schema.iter_errors(value), what)
    if not value["data"][what]:
        wrong.append(f"{what}: nothing to check")
    return wrong + known_members(what, value)


def known_members(what, value):
    """The schema lets every name pass; one that it does not know is misspelt."""
    file = {"zones": "curb_zone", "areas": "curb_area", "spaces": "curb_space", "policies": "curb_policy",
            "events": "curb_event", "status": "curb_status"}[what]
    known = yaml.safe_load((HERE / f"cds-1.1/Shared Data Models/{file}.yaml").read_text())["properties"]
    return [f"{what}: {name} is no member" for item in value["data"][what] for name in item if name not in known]


def cds_table(what, body):
    schema = cds_schema((f"Shared Data Models/{what}.yaml", ""))
    known = yaml.safe_load((HERE / f"cds-1.1/Shared Data Models/{what}.yaml").read_text())["properties"]
    wrong = []
    rows = list(csv.DictReader(io.StringIO(body)))
    if not rows:
        return [f"{what}: nothing to check"]
    for row in rows:
        item = {}
        for name, cell in row.items():
            if name not in known:
                return [f"{what}: {name} is no column"]
            if cell == "":
                continue
            kind = known[name].get("type") or "number"
            item[name] = cell
            if kind in ("integer", "number") and "time" not in name or "time" in name and name.startswith("event_time"):
                item[name] = float(cell) if "." in cell else int(cell)
        wrong += told(schema.iter_errors(item), what)
    return wrong[:5]


def apds_registry():
    def mend(value):
        if isinstance(value, dict):
            # "maxProperties: 1" with two required members lets nothing pass; classes under "oneOf" overlap.
            if value.get("title") == "Reference":
                value.pop("maxProperties", None)
            if "oneOf" in value:
                value["anyOf"] = value.pop("oneOf")
            for member in value.values():
                mend(member)
        elif isinstance(value, list):
            for member in value:
                mend(member)

    def retrieve(uri):
        value = yaml.safe_load(Path(uri.removeprefix("file://")).read_text())
        mend(value)
        return Resource(value, DRAFT4)

    return Registry(retrieve=retrieve)


def apds(what, body):
    classes = {"places": "place/hierarchy/Place", "rates": "rate/RateTable",
               "rights": "right/RightSpecification", "sessions": "session/Session"}
    registry = apds_registry()

    def schema(of):
        reference = {"$ref": f"file://{HERE}/apds-4.0/models/{of}.yaml"}
        return OAS30Validator(reference, registry=registry, format_checker=oas30_format_checker)

    value = json.loads(body)
    wrong = [] if value["data"] else [f"{what}: nothing to check"]
    wrong += told(schema("api/PaginatedListMeta").iter_errors(value), "meta")
    for item in value["data"]:
        wrong += told(schema(classes[what]).iter_errors(item), what)
    return wrong[:5]


def ngsi(what, body):
    value = json.loads(body)
    if not value:
        return [f"{what}: nothing to check"]
    if what == "normalized":
        return ngsi_etsi("EntityList", value)
    registry = Registry().with_resource(
        "https://smart-data-models.github.io/data-models/common-schema.json",
        Resource(read("ngsi-ld/common-schema.json"), DRAFT202012),
    )
    wrong = []
    for entity in value:
        of = read(f"ngsi-ld/{entity['type']}.json")
        kind = jsonschema.Draft202012Validator
        checker = kind(of, registry=registry, format_checker=kind.FORMAT_CHECKER)
        wrong += told(checker.iter_errors(entity), entity["id"])
        wrong += ngsi_etsi("Entity_keyValues", entity)
        common = read("ngsi-ld/common-schema.json")["definitions"]
        known = {"@context"}
        for part in of["allOf"]:
            known |= set(part.get("properties", {}))
        for part in ("GSMA-Commons", "Location-Commons", "PhysicalObject-Commons"):
            known |= set(common.get(part, {}).get("properties", {}))
        wrong += [f"{entity['id']}: {name} is no attribute" for name in entity if name not in known]
    return wrong[:5]


def ngsi_etsi(name, value):
    registry = Registry()
    for file in ("Entity", "EntityList", "Entity_keyValues", "common", "geometry-schema"):
        schema = read(f"ngsi-ld/etsi/{file}.json")
        registry = registry.with_resource(schema["$id"], Resource(schema, DRAFT7))
    kind = jsonschema.Draft7Validator
    checker = kind(read(f"ngsi-ld/etsi/{name}.json"), registry=registry, format_checker=kind.FORMAT_CHECKER)
    return told(checker.iter_errors(value), name)


def parkapi(what, body):
    value = json.loads(body)
    if what == "cities":
        wrong = []
        for name in ("api_version", "server_version", "reference", "cities"):
            if name not in value:
                wrong.append(f"cities: no {name}")
        for city in value["cities"].values():
            # What the server's own code sends of each (park_api/api.py).
            for name in ("name", "coords", "source", "url", "active_support", "attribution"):
                if name not in city:
                    wrong.append(f"cities: no {name}")
        return wrong
    # Its "date-time" contradicts its own times, which have no offset: those are read as its own tests read them.
    wrong = told(jsonschema.Draft7Validator(read("parkapi-1.0/city_schema.json")).iter_errors(value), "lots")
    for name in ("last_updated", "last_downloaded"):
        datetime.strptime(value[name], "%Y-%m-%dT%H:%M:%S")
    return wrong if value["lots"] else wrong + ["lots: nothing to check"]


def geojson(what, body):
    value = json.loads(body)
    schema = read("geojson/FeatureCollection.json")
    wrong = told(jsonschema.Draft7Validator(schema).iter_errors(value), what)
    structure = geojson_validator.validate_structure(value)
    if structure:
        wrong.append(f"{what}: {structure}")
    geometries = geojson_validator.validate_geometries(value)
    for kind in ("invalid", "problematic"):
        if geometries.get(kind):
            wrong.append(f"{what}: {kind}: {geometries[kind]}")
    return wrong if value["features"] else wrong + [f"{what}: nothing to check"]


FORMATS = {"cds": cds, "cds-table": cds_table, "apds": apds, "ngsi": ngsi, "parkapi": parkapi, "geojson": geojson}

if __name__ == "__main__":
    wrong = []
    for answer in json.load(sys.stdin):
        wrong += [f"{answer['format']} {it}" for it in FORMATS[answer["format"]](answer["what"], answer["body"])]
    json.dump(wrong, sys.stdout)
