"Gröà�
z����������T_�e x" IS NOT NULL