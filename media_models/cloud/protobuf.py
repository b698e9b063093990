"""Message classes from a `.proto` file at run time: no code generator, no generated files to keep.

The vendors' client packages bring thirty dependencies for the one call that we make. Their wire is a public contract of
names, types and numbers: `protos/` states the part that we use, in protobuf's own language, and the official runtime
does the encoding. This reader knows what those files need: messages, enums, oneof, repeated, imports of well-known
types. It refuses anything else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module, resources
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from core.errors import ConfigurationError

_TOKEN = re.compile(r'"[^"]*"|[A-Za-z_][\w.]*|\d+|[{}=;]')
_COMMENT = re.compile(r"//[^\n]*")
_SCALARS = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "string": FieldDescriptorProto.TYPE_STRING,
}
_WELL_KNOWN = {"google/protobuf/duration.proto": "google.protobuf.duration_pb2"}


class Messages:
    """The message classes of one file, as attributes: `messages.StreamingRequest(...)`. An unknown field name raises
    ValueError, as protobuf does."""

    def __init__(self, file: FileDescriptorProto) -> None:
        pool = descriptor_pool.DescriptorPool()
        for name in file.dependency:
            module = import_module(_WELL_KNOWN[name])
            pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        pool.Add(file)
        self.package = file.package
        self._classes = {
            message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
            for message in file.message_type
        }

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._classes:
            raise AttributeError(f"{self.package} has no message {name}")
        return self._classes[name]


def load_messages(name: str) -> Messages:
    """name: of a file in `protos/`, without its ending."""
    path = resources.files("media_models") / "cloud" / "protos" / f"{name}.proto"
    return Messages(parse_proto(f"{name}.proto", path.read_text("utf-8")))


def parse_proto(name: str, text: str) -> FileDescriptorProto:
    """Raises ConfigurationError that names the word which is not understood."""
    return _Reader(name, iter(_TOKEN.findall(_COMMENT.sub("", text)))).file()


@dataclass(slots=True)
class _Reader:
    name: str
    tokens: Iterator[str]
    enums: set[str] = field(default_factory=set)

    def file(self) -> FileDescriptorProto:
        file = FileDescriptorProto(name=self.name, syntax="proto3")
        for word in self.tokens:
            if word == "syntax":
                self._expect("=", '"proto3"', ";")
            elif word == "package":
                file.package = next(self.tokens)
                self._expect(";")
            elif word == "import":
                file.dependency.append(self._known_import(next(self.tokens).strip('"')))
                self._expect(";")
            elif word == "message":
                self._message(file.message_type.add())
            elif word == "enum":
                self._enum(file.enum_type.add())
            else:
                raise self._wrong(word)
        self._mark_enums(file.message_type)
        return file

    def _message(self, message: DescriptorProto) -> None:
        message.name = next(self.tokens)
        self._expect("{")
        for word in self.tokens:
            if word == "}":
                return
            if word == "message":
                self._message(message.nested_type.add())
            elif word == "enum":
                self._enum(message.enum_type.add())
            elif word == "oneof":
                message.oneof_decl.add(name=next(self.tokens))
                self._expect("{")
                while (inner := next(self.tokens)) != "}":
                    self._field(message, inner).oneof_index = len(message.oneof_decl) - 1
            else:
                self._field(message, word)
        raise self._wrong("end of file")

    def _field(self, message: DescriptorProto, word: str) -> FieldDescriptorProto:
        described = message.field.add(label=FieldDescriptorProto.LABEL_OPTIONAL)
        if word == "repeated":
            described.label = FieldDescriptorProto.LABEL_REPEATED
            word = next(self.tokens)
        if word in _SCALARS:
            described.type = _SCALARS[word]
        else:
            described.type_name = word
        described.name = next(self.tokens)
        self._expect("=")
        described.number = int(next(self.tokens))
        self._expect(";")
        return described

    def _enum(self, enum: EnumDescriptorProto) -> None:
        enum.name = next(self.tokens)
        self.enums.add(enum.name)
        self._expect("{")
        for word in self.tokens:
            if word == "}":
                return
            self._expect("=")
            enum.value.add(name=word, number=int(next(self.tokens)))
            self._expect(";")

    def _mark_enums(self, messages: Any) -> None:
        """A named type is an enum or a message: known only when the file was read to its end."""
        for message in messages:
            for described in message.field:
                if described.type_name:
                    is_enum = described.type_name in self.enums
                    described.type = FieldDescriptorProto.TYPE_ENUM if is_enum else FieldDescriptorProto.TYPE_MESSAGE
            self._mark_enums(message.nested_type)

    def _known_import(self, name: str) -> str:
        if name not in _WELL_KNOWN:
            raise self._wrong(name)
        return name

    def _expect(self, *words: str) -> None:
        for word in words:
            if (found := next(self.tokens, "end of file")) != word:
                raise self._wrong(found)

    def _wrong(self, word: str) -> ConfigurationError:
        return ConfigurationError(f"{self.name}: {word!r} is not understood; see media_models/cloud/protobuf.py")
