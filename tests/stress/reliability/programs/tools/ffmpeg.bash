# ffmpeg
# needs: ffmpeg
ffmpeg -nostdin -v error -f lavfi -i testsrc=d=0.4:s=96x64:r=10 -f lavfi -i sine=d=0.4 -threads 2 -bitexact -f avi o.avi
ffprobe -v error -show_entries stream=codec_type,nb_frames -of csv o.avi
ffmpeg -nostdin -v error -i o.avi -f framemd5 -an - | tail -3
ffmpeg -nostdin -v error -i missing x.avi
echo $?
