# A room is one folder at the top of the tree and one library, bevgrad_<room>. It sees the headers of the rooms
# that it names in KNOWS (and of those they know), and of no other: each room's public headers are linked into a
# folder of their own, and only the folders of known rooms are on its include path.
#
#   bevgrad_room(nn KNOWS autograd)
#   bevgrad_room(tensor PRIVATE cpu LIBRARIES dnnl)      # headers under tensor/cpu stay inside tensor
#
# LIBRARIES are linked privately, PUBLIC_LIBRARIES appear in the room's own headers.

set(BEVGRAD_ROOMS_DIR "${CMAKE_BINARY_DIR}/rooms" CACHE PATH "where the rooms' public headers are linked together")

function(bevgrad_room room)
  cmake_parse_arguments(ARG "" "" "KNOWS;PRIVATE;LIBRARIES;PUBLIC_LIBRARIES;PROTOS" ${ARGN})
  set(folder "${CMAKE_SOURCE_DIR}/${room}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${folder}/*.cpp")
  bevgrad_cuda_sources(sources)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${folder}" "${folder}/*.h")

  set(public_folder "${BEVGRAD_ROOMS_DIR}/${room}")
  foreach(header IN LISTS headers)
    set(is_private FALSE)
    foreach(private IN LISTS ARG_PRIVATE)
      if(header MATCHES "^${private}/")
        set(is_private TRUE)
      endif()
    endforeach()
    if(NOT is_private)
      get_filename_component(parent "${public_folder}/${room}/${header}" DIRECTORY)
      file(MAKE_DIRECTORY "${parent}")
      file(CREATE_LINK "${folder}/${header}" "${public_folder}/${room}/${header}" SYMBOLIC)
    endif()
  endforeach()

  add_library(bevgrad_${room} STATIC ${sources})
  if(ARG_PROTOS)
    set(generated "${CMAKE_BINARY_DIR}/protos")
    file(MAKE_DIRECTORY "${generated}/${room}")
    foreach(proto IN LISTS ARG_PROTOS)
      add_custom_command(
        OUTPUT "${generated}/${room}/${proto}.pb.cc" "${generated}/${room}/${proto}.pb.h"
        COMMAND protobuf::protoc "--proto_path=${CMAKE_SOURCE_DIR}" "--cpp_out=${generated}" "${room}/${proto}.proto"
        DEPENDS "${folder}/${proto}.proto")
      target_sources(bevgrad_${room} PRIVATE "${generated}/${room}/${proto}.pb.cc" "${generated}/${room}/${proto}.pb.h")
      set_source_files_properties("${generated}/${room}/${proto}.pb.cc" PROPERTIES COMPILE_OPTIONS "-w")
    endforeach()
    target_include_directories(bevgrad_${room} SYSTEM PUBLIC "${generated}")
    target_link_libraries(bevgrad_${room} PUBLIC protobuf::libprotobuf)
  endif()
  target_include_directories(bevgrad_${room} PUBLIC "${public_folder}" PRIVATE "${folder}")
  foreach(known IN LISTS ARG_KNOWS)
    target_link_libraries(bevgrad_${room} PUBLIC bevgrad_${known})
  endforeach()
  target_link_libraries(bevgrad_${room} PUBLIC bevgrad_flags ${ARG_PUBLIC_LIBRARIES} PRIVATE ${ARG_LIBRARIES})
endfunction()

# One test program a room: bevgrad_room_tests(nn) builds tests/nn/**.cpp into test_nn. KNOWS adds rooms that only
# the tests need.
function(bevgrad_room_tests room)
  cmake_parse_arguments(ARG "" "" "KNOWS;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/${room}/*.cpp")
  bevgrad_cuda_sources(sources)
  add_executable(test_${room} ${sources})
  target_link_libraries(test_${room} PRIVATE bevgrad_${room} bevgrad_test_paths GTest::gtest GTest::gmock GTest::gtest_main ${ARG_LIBRARIES})
  foreach(known IN LISTS ARG_KNOWS)
    target_link_libraries(test_${room} PRIVATE bevgrad_${known})
  endforeach()
  # Private headers of the room under test, the test support headers, and the data beside the tests.
  target_include_directories(test_${room} PRIVATE "${CMAKE_SOURCE_DIR}/tests" "${CMAKE_SOURCE_DIR}/${room}")
  add_test(NAME ${room} COMMAND test_${room} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(${room} PROPERTIES TIMEOUT 1200)
endfunction()
