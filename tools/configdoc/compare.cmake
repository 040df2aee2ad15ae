# Fails when FILE is not what PROGRAM prints for WHAT, run by EMULATOR if any.
execute_process(COMMAND ${EMULATOR} ${PROGRAM} ${WHAT} OUTPUT_VARIABLE wanted
    RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} ${WHAT} failed: ${result}")
endif()
# Standard output is text: on Windows its line ends are two octets.
string(REPLACE "\r\n" "\n" wanted "${wanted}")
file(READ ${FILE} present)
if(NOT present STREQUAL wanted)
    message(FATAL_ERROR "${FILE} is not current; make it anew with "
        "mailmod-config-doc ${WHAT} > ${FILE}")
endif()
