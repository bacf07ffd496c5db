"""The other end of the wire, for botocore-round-trip.test.ts: AWS's client library for Python.

Says its version in a first line of JSON. Then, for each line {"service", "operation"} it is given, a line with a request that
botocore wrote, the input that is in it, and an output to answer with; or {} for what its models lack. For each line {"status",
"headers", "body"} after that, the output that botocore reads there.
Times are {"$time": ISO 8601}, bytes {"$bytes": base64}.
"""

import base64
import datetime
import io
import json
import sys

import botocore
import botocore.session
from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

session = botocore.session.Session()
models = {}
for name in session.get_available_services():
    if name in sys.argv[1:]:
        model = session.get_service_model(name)
        models[model.signing_name] = model


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def told(value):
    if isinstance(value, dict):
        return {key: told(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(element) for element in value]
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, io.BytesIO):
        return told(value.read())
    if isinstance(value, datetime.datetime):
        return {"$time": value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    return value


def innermost(shape):
    return innermost(shape.member) if shape.type_name == "list" else shape


def has_events(shape):
    members = shape.members.values() if shape and shape.type_name == "structure" else []
    return any(getattr(member, "is_eventstream", False) or member.serialization.get("eventstream") for member in members)


def sample(shape, around=(), in_header=False):
    """A value with every member that the model has, within the bounds that it states."""
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 2**53)
    kind = shape.type_name
    if kind == "structure":
        inside = (*around, shape.name)
        members = [
            (name, sample(member, inside, "header" in member.serialization.get("location", "")))
            for name, member in shape.members.items()
            if innermost(member).name not in inside
        ]
        return dict(members[:1] if getattr(shape, "is_tagged_union", False) else members)
    if kind == "list":
        return [sample(shape.member, around, in_header) for _ in range(min(max(2, least), most))]
    if kind == "map":
        keys = ["some-key" if in_header else "a key ✓", *(f"key {n}" for n in range(1, int(least)))]
        if getattr(shape.key, "enum", []):
            keys = shape.key.enum[:1]
        return {key: sample(shape.value, around, in_header) for key in keys}
    if kind in ("integer", "long"):
        return int(min(max(123_456, shape.metadata.get("min", 0)), most))
    if kind in ("float", "double"):
        return min(max(-3.75, shape.metadata.get("min", -10)), most)
    if kind == "boolean":
        return True
    if kind == "blob":
        return bytes([65, 1, 250, 0])
    if kind == "timestamp":
        return datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
    if getattr(shape, "is_document_type", False):
        return {"a": [1, True]}
    if getattr(shape, "enum", []):
        return shape.enum[-1]
    # No carriage return: botocore writes it into XML as it is, where it reads as a line feed.
    text = 'a "b"; c=d/e' if in_header else "<a href=\"b\">&'c' ünï ✓ x+y=%41;\n 1 \n"
    return text.ljust(int(least), "x")[: int(most)]


def written(model, operation, given):
    serializer = create_serializer(model.metadata["protocol"])
    request = serializer.serialize_to_request(given, operation)
    prepare_request_dict(request, endpoint_url="http://localhost", user_agent="botocore")
    sent = create_request_object(request).prepare()
    path, _, query = sent.url.removeprefix("http://localhost").partition("?")
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value) for name, value in sent.headers.items()
    }
    body = sent.body or b""
    return {
        "method": sent.method,
        "path": path,
        "query": query,
        "headers": headers,
        "body": base64.b64encode(body.encode() if isinstance(body, str) else body).decode(),
    }


say({"version": botocore.__version__, "services": sorted(models)})
for line in sys.stdin:
    asked = json.loads(line)
    model = models.get(asked["service"])
    if model is None or asked["operation"] not in model.operation_names:
        say({})
        continue
    operation = model.operation_model(asked["operation"])
    if has_events(operation.output_shape) or has_events(operation.input_shape):
        say({})
        continue
    given = sample(operation.input_shape) if operation.input_shape else {}
    output = sample(operation.output_shape) if operation.output_shape else {}
    say({"request": written(model, operation, given), "input": told(given), "output": told(output)})
    answer = json.loads(sys.stdin.readline())
    if "status" in answer:
        parser = create_parser(model.metadata["protocol"])
        body = base64.b64decode(answer["body"])
        response = {
            "status_code": answer["status"],
            "headers": HeadersDict(answer["headers"]),
            "body": io.BytesIO(body) if operation.has_streaming_output else body,
        }
        read = parser.parse(response, operation.output_shape)
        read.pop("ResponseMetadata", None)
        say({"output": told(read)})
