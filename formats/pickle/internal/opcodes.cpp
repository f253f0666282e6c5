#include "pickle/internal/opcodes.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace bevgrad {

namespace {

constexpr std::pair<uint8_t, const char*> kNames[] = {
    {opcode::Mark, "MARK"},
    {opcode::Stop, "STOP"},
    {opcode::Pop, "POP"},
    {opcode::PopMark, "POP_MARK"},
    {opcode::Dup, "DUP"},
    {opcode::Float, "FLOAT"},
    {opcode::Int, "INT"},
    {opcode::BinInt, "BININT"},
    {opcode::BinInt1, "BININT1"},
    {opcode::Long, "LONG"},
    {opcode::BinInt2, "BININT2"},
    {opcode::None, "NONE"},
    {opcode::PersId, "PERSID"},
    {opcode::BinPersId, "BINPERSID"},
    {opcode::Reduce, "REDUCE"},
    {opcode::String, "STRING"},
    {opcode::BinString, "BINSTRING"},
    {opcode::ShortBinString, "SHORT_BINSTRING"},
    {opcode::Unicode, "UNICODE"},
    {opcode::BinUnicode, "BINUNICODE"},
    {opcode::Append, "APPEND"},
    {opcode::Build, "BUILD"},
    {opcode::Global, "GLOBAL"},
    {opcode::DictFromMark, "DICT"},
    {opcode::EmptyDict, "EMPTY_DICT"},
    {opcode::Appends, "APPENDS"},
    {opcode::Get, "GET"},
    {opcode::BinGet, "BINGET"},
    {opcode::Inst, "INST"},
    {opcode::LongBinGet, "LONG_BINGET"},
    {opcode::ListFromMark, "LIST"},
    {opcode::EmptyList, "EMPTY_LIST"},
    {opcode::Obj, "OBJ"},
    {opcode::Put, "PUT"},
    {opcode::BinPut, "BINPUT"},
    {opcode::LongBinPut, "LONG_BINPUT"},
    {opcode::SetItem, "SETITEM"},
    {opcode::TupleFromMark, "TUPLE"},
    {opcode::EmptyTuple, "EMPTY_TUPLE"},
    {opcode::SetItems, "SETITEMS"},
    {opcode::BinFloat, "BINFLOAT"},
    {opcode::Proto, "PROTO"},
    {opcode::NewObj, "NEWOBJ"},
    {opcode::Ext1, "EXT1"},
    {opcode::Ext2, "EXT2"},
    {opcode::Ext4, "EXT4"},
    {opcode::Tuple1, "TUPLE1"},
    {opcode::Tuple2, "TUPLE2"},
    {opcode::Tuple3, "TUPLE3"},
    {opcode::NewTrue, "NEWTRUE"},
    {opcode::NewFalse, "NEWFALSE"},
    {opcode::Long1, "LONG1"},
    {opcode::Long4, "LONG4"},
    {opcode::BinBytes, "BINBYTES"},
    {opcode::ShortBinBytes, "SHORT_BINBYTES"},
    {opcode::ShortBinUnicode, "SHORT_BINUNICODE"},
    {opcode::BinUnicode8, "BINUNICODE8"},
    {opcode::BinBytes8, "BINBYTES8"},
    {opcode::EmptySet, "EMPTY_SET"},
    {opcode::AddItems, "ADDITEMS"},
    {opcode::FrozenSetFromMark, "FROZENSET"},
    {opcode::NewObjEx, "NEWOBJ_EX"},
    {opcode::StackGlobal, "STACK_GLOBAL"},
    {opcode::Memoize, "MEMOIZE"},
    {opcode::Frame, "FRAME"},
    {opcode::ByteArray8, "BYTEARRAY8"},
    {opcode::NextBuffer, "NEXT_BUFFER"},
    {opcode::ReadOnlyBuffer, "READONLY_BUFFER"},
};

}  // namespace

std::string opcode_name(uint8_t opcode) {
  for (const auto& [code, name] : kNames) {
    if (code == opcode) return name;
  }
  return fmt::format("opcode 0x{:02x}", opcode);
}

}  // namespace bevgrad
