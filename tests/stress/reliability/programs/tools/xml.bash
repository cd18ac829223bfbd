# xml
# needs: xmllint xsltproc
{
  echo '<r>'
  for i in $(seq 2000); do echo "<i n=\"$i\">v$i</i>"; done
  echo '</r>'
} >x.xml
xmllint --noout x.xml
xmllint --xpath 'sum(//i/@n)' x.xml
echo
echo '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:output method="text"/><xsl:template match="/"><xsl:value-of select="count(//i[@n mod 3 = 0])"/></xsl:template></xsl:stylesheet>' >s.xsl
xsltproc s.xsl x.xml
echo
echo '<a>' | xmllint -
echo $?
