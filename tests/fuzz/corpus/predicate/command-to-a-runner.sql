IF
::error file=x::hi (a