# A room is one folder at the top of the tree and one library, bevgrad_<room>. It sees the public headers of the rooms
# that it names in KNOWS, and of no other, also not of those that the named ones know: each room's public headers are
# linked into a folder of their own, and only the folders of named rooms are on its include path.
#
#   bevgrad_room(nn KNOWS base tensor autograd)
#   bevgrad_room(tensor KNOWS base PRIVATE cpu LIBRARIES dnnl)      # headers under tensor/cpu stay inside tensor
#
# Headers in a folder called `internal` are private in every room. LIBRARIES are linked privately, PUBLIC_LIBRARIES
# appear in the room's own headers. IN_TREE names public headers that are not for use outside this tree: they differ with
# the processor that is compiled for, or show what is private to their room.

set(BEVGRAD_ROOMS_DIR "${PROJECT_BINARY_DIR}/rooms" CACHE PATH "where the rooms' public headers are linked together")

# Lets a target see the public headers of rooms, and links them.
function(bevgrad_see target)
  foreach(known IN LISTS ARGN)
    if(NOT TARGET bevgrad_${known})
      message(FATAL_ERROR "${target} names the room ${known}, which is not there (yet)")
    endif()
    get_target_property(includes bevgrad_${known} BEVGRAD_PUBLIC_INCLUDES)
    target_include_directories(${target} PRIVATE "${BEVGRAD_ROOMS_DIR}/${known}")
    if(includes)
      target_include_directories(${target} SYSTEM PRIVATE ${includes})
    endif()
    target_link_libraries(${target} PUBLIC $<LINK_ONLY:bevgrad_${known}>)
  endforeach()
endfunction()

function(bevgrad_room room)
  cmake_parse_arguments(ARG "" "" "KNOWS;PRIVATE;LIBRARIES;PUBLIC_LIBRARIES;PROTOS;IN_TREE" ${ARGN})
  set(folder "${PROJECT_SOURCE_DIR}/${room}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${folder}/*.cpp")
  bevgrad_cuda_sources(sources)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${folder}" "${folder}/*.h")

  set(public_folder "${BEVGRAD_ROOMS_DIR}/${room}")
  file(REMOVE_RECURSE "${public_folder}")
  file(MAKE_DIRECTORY "${public_folder}")
  set(exported "")
  foreach(header IN LISTS headers)
    set(is_private FALSE)
    foreach(private IN LISTS ARG_PRIVATE ITEMS internal)
      if(header MATCHES "(^|/)${private}/")
        set(is_private TRUE)
      endif()
    endforeach()
    if(NOT is_private)
      get_filename_component(parent "${public_folder}/${room}/${header}" DIRECTORY)
      file(MAKE_DIRECTORY "${parent}")
      file(CREATE_LINK "${folder}/${header}" "${public_folder}/${room}/${header}" SYMBOLIC)
      if(NOT header IN_LIST ARG_IN_TREE)
        list(APPEND exported "${header}")
      endif()
    endif()
  endforeach()

  add_library(bevgrad_${room} STATIC ${sources})
  set_target_properties(bevgrad_${room} PROPERTIES BEVGRAD_KNOWS "${ARG_KNOWS}" BEVGRAD_PRIVATE "${ARG_PRIVATE}")
  if(ARG_PROTOS)
    # Protobuf knows a schema by its path: bevgrad/<room>/<name>.proto, inside this tree and outside. Its header is
    # <room>/<name>.pb.h in this tree, as the others are.
    set(generated "${PROJECT_BINARY_DIR}/protos/${room}")
    file(MAKE_DIRECTORY "${generated}/bevgrad/${room}" "${generated}/sources/bevgrad/${room}")
    file(REMOVE_RECURSE "${generated}/${room}")
    file(CREATE_LINK "${generated}/bevgrad/${room}" "${generated}/${room}" SYMBOLIC)
    set(generated_headers "")
    foreach(proto IN LISTS ARG_PROTOS)
      set(source "${generated}/sources/bevgrad/${room}/${proto}.proto")
      set(result "${generated}/bevgrad/${room}/${proto}.pb")
      file(CREATE_LINK "${folder}/${proto}.proto" "${source}" SYMBOLIC)
      add_custom_command(OUTPUT "${result}.cc" "${result}.h"
        COMMAND protobuf::protoc "--proto_path=${generated}/sources" "--cpp_out=${generated}" "${source}"
        DEPENDS "${folder}/${proto}.proto")
      target_sources(bevgrad_${room} PRIVATE "${result}.cc" "${result}.h")
      set_source_files_properties("${result}.cc" PROPERTIES COMPILE_OPTIONS "-w")
      list(APPEND exported "${proto}.proto")
      list(APPEND generated_headers "${result}.h")
    endforeach()
    # Whoever knows the room waits for its generated headers.
    set_target_properties(bevgrad_${room} PROPERTIES BEVGRAD_PUBLIC_INCLUDES "${generated}"
      BEVGRAD_GENERATED_HEADERS "${generated_headers}")
    target_include_directories(bevgrad_${room} SYSTEM PRIVATE "${generated}")
    target_link_libraries(bevgrad_${room} PUBLIC protobuf::libprotobuf)
  endif()
  target_include_directories(bevgrad_${room} PRIVATE "${public_folder}" "${folder}")
  bevgrad_see(bevgrad_${room} ${ARG_KNOWS})
  set_target_properties(bevgrad_${room} PROPERTIES BEVGRAD_HEADERS "${exported}")
  target_link_libraries(bevgrad_${room} PRIVATE "$<BUILD_INTERFACE:bevgrad_flags>" PUBLIC bevgrad_usage
    ${ARG_PUBLIC_LIBRARIES} PRIVATE ${ARG_LIBRARIES})
endfunction()

# One test program a room: bevgrad_room_tests(nn) builds tests/nn/**.cpp into test_nn. It sees what the room sees, the
# room's private headers, and the rooms in KNOWS, which only the tests need. SOURCES are compiled besides.
function(bevgrad_room_tests room)
  cmake_parse_arguments(ARG "" "" "KNOWS;LIBRARIES;SOURCES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${room}/*.cpp")
  list(APPEND sources ${ARG_SOURCES})
  bevgrad_cuda_sources(sources)
  add_executable(test_${room} ${sources})
  get_target_property(known bevgrad_${room} BEVGRAD_KNOWS)
  bevgrad_see(test_${room} ${room} ${known} ${ARG_KNOWS})
  target_link_libraries(test_${room} PUBLIC bevgrad_flags bevgrad_test_paths GTest::gtest GTest::gmock GTest::gtest_main
    ${ARG_LIBRARIES})
  target_include_directories(test_${room} PRIVATE "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_SOURCE_DIR}/${room}")
  add_test(NAME ${room} COMMAND test_${room} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${room} PROPERTIES TIMEOUT 1200)
endfunction()
