# find_package(Tusk): tusk::tusk, the shared library.
# find_package(Tusk COMPONENTS static lua): also
#   tusk::static   libtusk.a, exported to the bindings that the program loads
#   tusk::lua      what tusk_lua.h includes: the headers of LuaJIT and libuv
# Everything is found relative to this file: the tree can be moved.
get_filename_component(_tusk_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(Tusk_BINDINGS "${_tusk_prefix}/lib/tusk/bindings")
set(Tusk_PLUGINS "${_tusk_prefix}/share/tusk/plugins")

if(NOT TARGET tusk::tusk)
  add_library(tusk::tusk SHARED IMPORTED)
  set_target_properties(tusk::tusk PROPERTIES
    IMPORTED_LOCATION "${_tusk_prefix}/lib/libtusk.so.0"
    IMPORTED_SONAME "libtusk.so.0"
    INTERFACE_INCLUDE_DIRECTORIES "${_tusk_prefix}/include")
endif()

if(Tusk_FIND_COMPONENTS)
  include(CMakeFindDependencyMacro)
  find_dependency(PkgConfig)
  pkg_check_modules(Tusk_DEPS QUIET IMPORTED_TARGET luajit libuv)
endif()

if(Tusk_DEPS_FOUND AND NOT TARGET tusk::lua)
  add_library(tusk::lua INTERFACE IMPORTED)
  set_target_properties(tusk::lua PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${_tusk_prefix}/include"
    INTERFACE_LINK_LIBRARIES PkgConfig::Tusk_DEPS)
  add_library(tusk::static INTERFACE IMPORTED)
  set_target_properties(tusk::static PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${_tusk_prefix}/include"
    INTERFACE_LINK_OPTIONS "-rdynamic"
    INTERFACE_LINK_LIBRARIES
      "-Wl,--whole-archive,${_tusk_prefix}/lib/libtusk.a,--no-whole-archive;PkgConfig::Tusk_DEPS;${CMAKE_DL_LIBS};-lpthread")
endif()

foreach(_tusk_component IN LISTS Tusk_FIND_COMPONENTS)
  if(TARGET tusk::${_tusk_component})
    set(Tusk_${_tusk_component}_FOUND TRUE)
  elseif(Tusk_FIND_REQUIRED_${_tusk_component})
    set(Tusk_FOUND FALSE)
    if(_tusk_component MATCHES "^(static|lua)$")
      set(Tusk_NOT_FOUND_MESSAGE "Tusk's component ${_tusk_component} needs luajit and libuv by pkg-config")
    else()
      set(Tusk_NOT_FOUND_MESSAGE "Tusk has no component ${_tusk_component}: static, lua")
    endif()
  endif()
endforeach()
unset(_tusk_component)
unset(_tusk_prefix)
