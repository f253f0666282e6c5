# bevgrad_protos(target options.proto ...): compiles a program's own messages, which may extend those of
# <bevgrad/configs/config.proto>, into a target. The header is included as "options.pb.h".
function(bevgrad_protos target)
  get_property(proto_path GLOBAL PROPERTY BEVGRAD_PROTO_PATH)
  set(generated "${CMAKE_CURRENT_BINARY_DIR}/${target}_protos")
  file(MAKE_DIRECTORY "${generated}")
  foreach(proto IN LISTS ARGN)
    get_filename_component(name "${proto}" NAME_WE)
    get_filename_component(proto "${proto}" ABSOLUTE)
    get_filename_component(folder "${proto}" DIRECTORY)
    add_custom_command(OUTPUT "${generated}/${name}.pb.cc" "${generated}/${name}.pb.h"
      COMMAND protobuf::protoc "--proto_path=${folder}" "--proto_path=${proto_path}" "--cpp_out=${generated}" "${proto}"
      DEPENDS "${proto}" VERBATIM)
    target_sources(${target} PRIVATE "${generated}/${name}.pb.cc" "${generated}/${name}.pb.h")
    set_source_files_properties("${generated}/${name}.pb.cc" PROPERTIES COMPILE_OPTIONS "-w")
  endforeach()
  target_include_directories(${target} SYSTEM PRIVATE "${generated}")
endfunction()
